//! Where a part of the cache is, and which process it must be.

use super::info::{Info, Kind};
use super::link::LinkError;

/// The place of keys in one server.
#[derive(Debug)]
pub(super) struct Place {
    /// What the names of all keys of the cache begin with, in whichever server.
    pub(super) prefix: String,
    /// What follows in this server: in a cluster a hash tag, by which all of its keys have one slot.
    pub(super) tag: String,
    pub(super) process: Process,
}

/// The process of Redis that a link may lead to.
#[derive(Debug)]
pub(super) enum Process {
    /// Whichever answers: the server stands alone.
    Any,
    /// This one, a primary of a cluster.
    Primary {
        run_id: String,
        /// The digest of the topology that it is to be used in.
        topology: String,
    },
}

impl Place {
    /// The beginning of the names of keys here.
    pub(super) fn name(&self) -> String {
        [self.prefix.as_str(), &self.tag].concat()
    }

    /// What a key of Redis has in the place of the tag, and the epoch that it belongs to, if it is of this cache.
    pub(super) fn parse<'a>(&self, name: &'a [u8]) -> Option<(&'a [u8], u64)> {
        let rest = name.strip_prefix(self.prefix.as_bytes())?;
        let (tag, rest) = rest.split_at(rest.iter().position(|byte| *byte == b':')?);
        let is_tag = match tag {
            [] => true,
            [b'{', number @ .., b'}'] => number.iter().all(u8::is_ascii_digit),
            _ => false,
        };
        if !is_tag || tag.is_empty() != self.tag.is_empty() {
            return None;
        }
        let epoch = rest.split(|byte| *byte == b':').nth(1)?;
        let epoch = std::str::from_utf8(epoch).ok()?.parse().ok()?;
        Some((tag, epoch))
    }
}

impl Process {
    /// What the sentinel of an epoch says that was opened on the process which tells this of itself. In a cluster it names
    /// the topology too: who maps keys to servers in another way does not know the epoch, although the process is the same.
    pub(super) fn identify(&self, info: &Info<'_>) -> Result<String, LinkError> {
        let kind = self.kind();
        info.check_kind(kind).map_err(LinkError::Unfit)?;
        let identity = match self {
            Self::Any => info.run_id().to_owned(),
            Self::Primary { run_id, topology } => {
                if run_id != info.run_id() || !info.is_primary() {
                    return Err(LinkError::Replaced);
                }
                [topology, ":", run_id].concat()
            }
        };
        info.check(kind).map_err(LinkError::Unfit)?;
        Ok(identity)
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Any => Kind::Server,
            Self::Primary { .. } => Kind::Node,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(tag: &str) -> Place {
        Place {
            prefix: "kv".to_owned(),
            tag: tag.to_owned(),
            process: Process::Any,
        }
    }

    #[test]
    fn names_tell_their_tag_and_epoch() {
        let (server, node) = (place(""), place("{17}"));
        assert_eq!(node.name(), "kv{17}");
        assert_eq!(server.parse(b"kv:12:k:1"), Some((&b""[..], 12)));
        assert_eq!(node.parse(b"kv{17}:12:{x}"), Some((&b"{17}"[..], 12)));
        assert_eq!(node.parse(b"kv{3}:12:"), Some((&b"{3}"[..], 12)));
        for foreign in [&b"kv2:12:k"[..], b"kv{x}:1:k", b"kv:x:k", b"kv", b"other"] {
            assert_eq!(server.parse(foreign), None);
            assert_eq!(node.parse(foreign), None);
        }
        // Another kind of cache.
        assert_eq!(server.parse(b"kv{17}:12:k"), None);
        assert_eq!(node.parse(b"kv:12:k"), None);
    }

    #[test]
    fn only_the_expected_process_is_identified() {
        let process = Process::Primary {
            run_id: "a".to_owned(),
            topology: "t".to_owned(),
        };
        let identify = |role: &str, run_id: &str| {
            let info = format!(
                "run_id:{run_id}\nredis_mode:cluster\nrole:{role}\nmaxmemory_policy:noeviction\nmaxmemory:0"
            );
            process.identify(&Info::parse(&info))
        };
        assert_eq!(identify("master", "a").unwrap(), "t:a");
        assert!(matches!(identify("master", "b"), Err(LinkError::Replaced)));
        // It has become a replica.
        assert!(matches!(identify("slave", "a"), Err(LinkError::Replaced)));
    }
}
