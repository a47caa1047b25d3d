//! Behaviours of Windows that no program checks yet, because the library lacks
//! what they need. Each fails if it is asked for by `--ignored`.

macro_rules! pending {
    ($($name:ident: $reason:literal;)*) => {
        $(
            #[test]
            #[ignore = $reason]
            fn $name() {
                panic!("pending: {}", $reason);
            }
        )*
    };
}

pending! {
    rtl_destroy_heap_of_garbage_breaks_into_a_debugger: "needs a debugger that is attached";
}
