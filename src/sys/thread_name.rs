//! The calling thread's name, as the system's tools show it.

use core::ffi::{c_int, c_ulong};

/// The name, ended by zeros; all zeros where the system does not tell.
pub fn thread_name() -> [u8; 16] {
    const PR_GET_NAME: c_int = 16;
    unsafe extern "C" {
        fn prctl(option: c_int, ...) -> c_int;
    }
    let mut name = [0u8; 16];
    // SAFETY: the call writes at most sixteen bytes, the last of them zero.
    let done = unsafe { prctl(PR_GET_NAME, name.as_mut_ptr(), 0 as c_ulong, 0 as c_ulong) };
    if done == 0 { name } else { [0; 16] }
}

#[cfg(test)]
mod tests {
    #[test]
    fn is_what_the_thread_was_named() {
        let name = std::thread::Builder::new()
            .name("a thread's name!".into())
            .spawn(super::thread_name)
            .expect("a thread")
            .join()
            .expect("its end");
        assert_eq!(&name, b"a thread's name\0");
    }
}
