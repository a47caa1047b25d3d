//! The thread's word for the front end that knows only addresses.

heap::thread_word!(pub(crate), "ntheap_thread_word");
