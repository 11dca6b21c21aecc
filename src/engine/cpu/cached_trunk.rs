//! The forward pass of a network whose trunk is frozen. Activations at the seam are read from a
//! cache if it has them, and otherwise computed and added to it.

use std::fmt::Write as _;

use half::bf16;
use sha2::{Digest, Sha256};

use super::batch::Batch;
use super::kernel;
use super::network::Transformer;
use super::network::context::{Context, Maker, Pass};
use super::network::workspace::Workspace;
use super::trunk_cache::{Key, TrunkCache};
use crate::domain::spec::Precision;
use crate::engine::{CacheSettings, EncodedPair};

/// A cache, with the buffer in which the activations of a micro-batch are put together.
#[derive(Debug)]
pub struct CachedTrunk {
    pub(super) cache: TrunkCache,
    seam: Vec<bf16>,
}

impl CachedTrunk {
    /// Opens the cache of a network's trunk; `None` when nothing may be kept, or when there is no
    /// frozen trunk whose result is worth keeping.
    #[must_use]
    pub fn open(
        settings: &CacheSettings,
        network: &Transformer,
        base_digest: &str,
        precision: Precision,
    ) -> Option<Self> {
        let keeps =
            settings.memory_bytes > 0 || (settings.disk_bytes > 0 && settings.dir.is_some());
        (keeps && network.has_cacheable_trunk()).then(|| Self {
            cache: TrunkCache::open(settings, &identity(network, base_digest, precision)),
            seam: Vec::new(),
        })
    }

    /// As [`Transformer::reward`] for a batch that holds `pairs` in order.
    pub(super) fn reward(
        &mut self,
        network: &Transformer,
        maker: Maker<'_>,
        cx: Context<'_>,
        pairs: &[&EncodedPair],
        work: &mut Workspace,
    ) {
        let sizes: Vec<usize> = pairs.iter().map(|pair| network.n_seam_values(pair)).collect();
        self.seam.resize(sizes.iter().sum(), bf16::ZERO);
        let mut missing = Vec::new();
        let mut rest = self.seam.as_mut_slice();
        for (pair, size) in pairs.iter().zip(&sizes) {
            let (own, after) = rest.split_at_mut(*size);
            rest = after;
            let key = Key::of(pair);
            if !self.cache.read(key, own) {
                missing.push((key, *pair, own));
            }
        }
        if !missing.is_empty() {
            let texts: Vec<&EncodedPair> = missing.iter().map(|(_, pair, _)| *pair).collect();
            let batch: Batch = network.pack(&texts, 0);
            let cx = maker.context(&batch, Pass::scoring());
            network.trunk(cx, work);
            let mut values = &*network.seam_mut(cx, work);
            for (key, _, own) in missing {
                let (computed, after) = values.split_at(own.len());
                values = after;
                for (to, value) in own.iter_mut().zip(computed) {
                    *to = bf16::from_f32(*value);
                }
                self.cache.write(key, own);
            }
        }
        network.enter_seam(cx, &self.seam, work);
        network.reward_from_seam(cx, work);
    }
}

/// A digest of what the activations at the seam depend on besides the pair: the frozen tensors,
/// where the trunk ends, and the arithmetic of this build and machine.
fn identity(network: &Transformer, base_digest: &str, precision: Precision) -> String {
    let mut hasher = Sha256::new();
    let lowest = format!("{:?}", network.lowest());
    let parts = [base_digest, &lowest, precision.name(), env!("CARGO_PKG_VERSION")];
    for part in parts.into_iter().chain([kernel::instructions()]) {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize();
    digest[..16].iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
