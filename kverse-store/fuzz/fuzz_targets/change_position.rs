#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kverse_store_fuzz::change_position(data));
