//! Global and local memory, COM's task memory, heap snapshots.

#[doc(hidden)]
#[macro_export]
macro_rules! win32_names_global {
    ($then:path; $($before:tt)*) => {
        $then! { $($before)*
        }
    };
}
