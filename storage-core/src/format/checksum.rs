//! CRC-32C (Castagnoli, as in iSCSI, RFC 3720, appendix B.4) of everything that is stored.
//!
//! Every byte that is written or read is summed, so this is one of the few things that large records spend their time in.
//! Where a processor multiplies polynomials over wide registers, `crc-fast` takes from half to a fifth of the time of the
//! processor's own CRC instruction from 600 bytes on, and as long below; elsewhere `crc32c` has that instruction or tables.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod by_target {
    use crc_fast::{CrcAlgorithm, Digest};

    pub(super) fn sum(bytes: &[u8]) -> u32 {
        crc_fast::crc32_iscsi(bytes)
    }

    pub(super) fn append(crc: u32, bytes: &[u8]) -> u32 {
        let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, u64::from(!crc));
        digest.update(bytes);
        digest.finalize() as u32
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod by_target {
    pub(super) use crc32c::{crc32c as sum, crc32c_append as append};
}

/// The checksum of these bytes.
///
/// ```
/// assert_eq!(jazz_storage_core::format::checksum::crc32c(b"123456789"), 0xe306_9283);
/// ```
pub fn crc32c(bytes: &[u8]) -> u32 {
    by_target::sum(bytes)
}

/// The checksum of bytes that `crc` is that of, followed by these.
pub fn crc32c_append(crc: u32, bytes: &[u8]) -> u32 {
    by_target::append(crc, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bit by bit, as it is defined.
    fn defined(bytes: &[u8]) -> u32 {
        let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
    }

    fn bytes(len: usize, seed: u32) -> Vec<u8> {
        (0..len as u32).map(|n| (n.wrapping_mul(0x9e37_79b9) ^ seed).to_le_bytes()[3]).collect()
    }

    #[test]
    fn it_is_what_the_standard_says() {
        assert_eq!(defined(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa, "RFC 3720, B.4");
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43, "RFC 3720, B.4");
        assert_eq!(crc32c(&[]), 0);
    }

    #[test]
    fn it_is_the_same_of_any_length_wherever_the_bytes_lie() {
        let all = bytes(20_000, 7);
        for len in (0..600).chain([1_023, 1_024, 1_025, 4_096, 4_097, 8_191, 16_384, 19_000]) {
            for at in [0, 1, 3, 7, 8, 15] {
                let part = &all[at..at + len];
                assert_eq!(crc32c(part), defined(part), "{len} bytes at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn parts_one_after_the_other_are_as_good_as_all_at_once(
            lens in proptest::collection::vec(prop_oneof![0..40usize, 0..3_000usize], 0..6),
            seed in any::<u32>(),
        ) {
            let all = bytes(lens.iter().sum(), seed);
            let (mut crc, mut at) = (0, 0);
            for len in lens {
                crc = crc32c_append(crc, &all[at..at + len]);
                at += len;
            }
            prop_assert_eq!(crc, crc32c(&all));
            prop_assert_eq!(crc, defined(&all));
        }
    }
}
