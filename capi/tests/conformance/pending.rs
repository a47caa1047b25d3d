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

// The heap flags that GlobalFlag stands for.
pending! {
    global_flag_bits_become_heap_flags: "needs the debug flags";
    private_heaps_carry_0x1000_and_growable_ones_2: "needs the debug flags";
    checking_flags_of_heap_create_are_not_stored: "needs the debug flags";
    header_has_0xffeeffee_at_0x10_and_its_flags_at_0x70: "needs the debug flags";
    spacing_is_16_wider_with_debug_flags_and_for_each_of_tail_and_validation:
        "needs the debug flags";
    rtl_destroy_heap_of_garbage_breaks_into_a_debugger: "needs parameter validation";
}

// Filling and checking.
pending! {
    tail_of_a_region_block_is_16_bytes_of_0xab: "needs tail checking";
    tail_of_a_large_block_is_not_filled: "needs tail checking";
    in_place_shrink_refills_the_tail: "needs tail checking";
    user_value_lies_behind_the_tail: "needs tail checking";
    corrupt_tail_makes_validate_false: "needs tail checking";
    corrupt_tail_makes_size_all_ones_with_parameter_validation: "needs parameter validation";
    corrupt_tail_makes_realloc_and_free_fail_with_parameter_validation:
        "needs parameter validation";
    freed_block_is_filled_with_0xfeeefeee_from_offset_16: "needs free checking";
    altered_free_fill_makes_validate_false: "needs free checking";
    fresh_block_is_filled_with_0xbaadf00d_by_whole_dwords: "needs free checking";
    grown_block_is_filled_by_whole_new_dwords: "needs free checking";
    header_area_reads_0xee_with_page_heap: "needs page heap";
}
