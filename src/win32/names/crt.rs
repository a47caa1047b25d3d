//! The C runtime's heap functions.

#[doc(hidden)]
#[macro_export]
macro_rules! win32_names_crt {
    ($then:path; $($before:tt)*) => {
        $crate::win32_names_crtdbg! { $then; $($before)*
        }
    };
}
