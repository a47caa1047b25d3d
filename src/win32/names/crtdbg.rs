//! The debug C runtime.

#[doc(hidden)]
#[macro_export]
macro_rules! win32_names_crtdbg {
    ($then:path; $($before:tt)*) => {
        $crate::win32_names_global! { $then; $($before)*
        }
    };
}
