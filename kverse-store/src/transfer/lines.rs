//! Pieces to lines.

/// What has arrived of a line that is not whole yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// The next line, with its line break, of what was kept and what `rest` begins with, which it is taken from. `None` once
    /// there is no whole line any more: then the beginning of one is kept.
    pub(super) fn next<'a>(&mut self, rest: &mut &'a [u8]) -> Option<Line<'a>> {
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            self.partial.extend_from_slice(rest);
            *rest = &[];
            return None;
        };
        let (line, after) = rest.split_at(end + 1);
        *rest = after;
        if self.partial.is_empty() {
            return Some(Line::Borrowed(line));
        }
        self.partial.extend_from_slice(line);
        Some(Line::Owned(std::mem::take(&mut self.partial)))
    }

    /// How long the line is of which the beginning is kept.
    pub(super) fn kept(&self) -> usize {
        self.partial.len()
    }

    /// The last line, which has no line break; empty if there is none.
    pub(super) fn last(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.partial)
    }
}

pub(super) type Line<'a> = std::borrow::Cow<'a, [u8]>;
