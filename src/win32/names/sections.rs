//! Handles, files, mapped files, physical pages.

#[doc(hidden)]
#[macro_export]
macro_rules! win32_names_sections {
    ($then:path; $($before:tt)*) => {
        $crate::win32_names_crt! { $then; $($before)*
        }
    };
}
