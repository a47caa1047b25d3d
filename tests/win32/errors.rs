use ntheap::win32::{GetLastError, SetLastError};

#[test]
fn each_thread_has_its_own_last_error() {
    // SAFETY: no promise to keep.
    unsafe {
        SetLastError(1);
        let before_and_after = std::thread::spawn(|| {
            let before = GetLastError();
            SetLastError(2);
            (before, GetLastError())
        });
        assert_eq!(before_and_after.join().expect("it ends"), (0, 2));
        assert_eq!(GetLastError(), 1);
        SetLastError(u32::MAX);
        assert_eq!(GetLastError(), u32::MAX);
    }
}
