use crate::support::{alone, this_test};
use ntheap::win32::{OutputDebugStringA, OutputDebugStringW};
use std::ptr;

#[test]
fn text_for_the_debugger_goes_to_standard_error() {
    let long: String = (0..5000)
        .map(|i| char::from(b'a' + (i % 26) as u8))
        .collect();
    let output = alone(
        this_test!(text_for_the_debugger_goes_to_standard_error),
        || {
            let wide = |text: &str| -> Vec<u16> { text.encode_utf16().chain([0]).collect() };
            // SAFETY: each text is null or ends with 0.
            unsafe {
                OutputDebugStringA(c"one\n".as_ptr());
                OutputDebugStringA(ptr::null());
                OutputDebugStringA(c"".as_ptr());
                OutputDebugStringW(wide("zwei ä € 𝄞\n").as_ptr());
                OutputDebugStringW(ptr::null());
                OutputDebugStringW([0x41, 0xd800, 0x42, 0xa, 0].as_ptr());
                OutputDebugStringW(wide(&long).as_ptr());
            }
        },
    );
    if let Some(output) = output {
        assert!(output.status.success());
        let expected = format!("one\nzwei ä € 𝄞\nA\u{fffd}B\n{long}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
    }
}
