//! Which paths are guarded, and by which names.

/// A path that a proxy takes for every request, or for every chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HotPath {
    /// Lookup, whole body and finish, from memory.
    MemoryHit,
    /// The same from the page cache of the disk store, checksums verified.
    DiskHit,
    /// The same where the disk store's memory tier has a copy.
    DiskTierHit,
    /// Lookup of what is not stored, in memory.
    MemoryMiss,
    /// Lookup of what is not stored, on disk.
    DiskMiss,
    /// A chunk through a write in progress: written, and read by one follower.
    Follow,
    /// A hit from memory through pingora's trait.
    BridgeMemoryHit,
    /// A hit from disk through pingora's trait.
    BridgeDiskHit,
}

impl HotPath {
    /// All of them.
    pub const ALL: [HotPath; 8] = [
        HotPath::MemoryHit,
        HotPath::DiskHit,
        HotPath::DiskTierHit,
        HotPath::MemoryMiss,
        HotPath::DiskMiss,
        HotPath::Follow,
        HotPath::BridgeMemoryHit,
        HotPath::BridgeDiskHit,
    ];

    /// The name in `instructions.toml` and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            HotPath::MemoryHit => "memory-hit",
            HotPath::DiskHit => "disk-hit",
            HotPath::DiskTierHit => "disk-tier-hit",
            HotPath::MemoryMiss => "memory-miss",
            HotPath::DiskMiss => "disk-miss",
            HotPath::Follow => "follow",
            HotPath::BridgeMemoryHit => "bridge-memory-hit",
            HotPath::BridgeDiskHit => "bridge-disk-hit",
        }
    }

    /// The path of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        HotPath::ALL.into_iter().find(|path| path.name() == name)
    }

    pub(crate) fn is_on_disk(self) -> bool {
        matches!(
            self,
            HotPath::DiskHit | HotPath::DiskTierHit | HotPath::DiskMiss | HotPath::BridgeDiskHit
        )
    }

    pub(crate) fn has_memory_tier(self) -> bool {
        self == HotPath::DiskTierHit
    }

    pub(crate) fn is_bridged(self) -> bool {
        matches!(self, HotPath::BridgeMemoryHit | HotPath::BridgeDiskHit)
    }
}
