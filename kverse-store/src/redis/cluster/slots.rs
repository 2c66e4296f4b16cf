//! Hash slots, by which Redis Cluster tells which node has a key.

use std::sync::LazyLock;

use crc::{CRC_16_XMODEM, Crc};

/// How many slots a cluster has.
pub(super) const SLOTS: u16 = 16384;

static CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

/// For each slot the first number whose digits belong there.
static NUMBERS: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let mut numbers = vec![None; usize::from(SLOTS)];
    let mut missing = numbers.len();
    for number in 0_u32.. {
        let place = &mut numbers[usize::from(slot(number.to_string().as_bytes()))];
        if place.is_none() {
            *place = Some(number);
            missing -= 1;
            if missing == 0 {
                break;
            }
        }
    }
    numbers.into_iter().flatten().collect()
});

/// The slot of a name without braces, or of what is in its first ones.
pub(super) fn slot(name: &[u8]) -> u16 {
    CRC.checksum(name) % SLOTS
}

/// The first number that as a hash tag puts keys into this slot.
pub(super) fn number_for(slot: u16) -> u32 {
    NUMBERS[usize::from(slot)]
}

/// The hash tag that is this number.
pub(super) fn tag(number: u32) -> String {
    format!("{{{number}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        // From its specification, and what CLUSTER KEYSLOT answers.
        assert_eq!(CRC.checksum(b"123456789"), 0x31C3);
        assert_eq!(slot(b"foo"), 12182);
        assert_eq!(slot(b""), 0);
    }

    #[test]
    fn each_slot_has_a_number() {
        assert_eq!(NUMBERS.len(), usize::from(SLOTS));
        for at in 0..SLOTS {
            assert_eq!(slot(number_for(at).to_string().as_bytes()), at);
        }
        assert_eq!(tag(number_for(slot(b"0"))), "{0}");
    }
}
