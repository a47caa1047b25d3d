//! Distributions of sizes.

use fastrand::Rng;

/// Sizes whose logarithms are uniform: as many from 16 to 32 as from 4,096 to
/// 8,192. Drawn from a table, since a logarithm costs as much as an allocation.
pub(crate) struct LogUniform {
    table: [u16; LogUniform::ENTRIES],
}

impl LogUniform {
    const ENTRIES: usize = 4096;

    pub(crate) fn new(smallest: u16, largest: u16) -> Self {
        let octaves = (f64::from(largest) / f64::from(smallest)).log2();
        let mut table = [0; Self::ENTRIES];
        for (i, size) in table.iter_mut().enumerate() {
            let part = i as f64 / (Self::ENTRIES - 1) as f64;
            *size = (f64::from(smallest) * (part * octaves).exp2()).round() as u16;
        }
        LogUniform { table }
    }

    #[inline]
    pub(crate) fn draw(&self, rng: &mut Rng) -> usize {
        self.table[rng.u64(..) as usize % Self::ENTRIES].into()
    }

    /// The mean of all that are drawn.
    pub(crate) fn mean(&self) -> f64 {
        self.table.iter().map(|&size| f64::from(size)).sum::<f64>() / Self::ENTRIES as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_octave_has_the_same_share() {
        let sizes = LogUniform::new(16, 16 << 10);
        assert_eq!(sizes.table.first(), Some(&16));
        assert_eq!(sizes.table.last(), Some(&(16 << 10)));
        let mut octaves = [0u32; 10];
        let mut rng = Rng::with_seed(1);
        for _ in 0..100_000 {
            octaves[(sizes.draw(&mut rng).ilog2() as usize - 4).min(9)] += 1;
        }
        for share in octaves {
            assert!((9_000..11_000).contains(&share), "{octaves:?}");
        }
        // (largest - smallest) / ln(largest / smallest)
        assert!((2_340.0..2_385.0).contains(&sizes.mean()));
    }
}
