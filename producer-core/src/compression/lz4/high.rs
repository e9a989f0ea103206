//! LZ4 blocks with a search: chains of earlier places with the same four bytes, the longest match wins.
//!
//! The format is that of the fast compressor; only the time spent on looking differs. A sequence is
//!
//! ```text
//! token: literals (4 bits), match length - 4 (4 bits) | more literals* | literals | offset u16 | more length*
//! ```
//! where 15 in the token continues in bytes of up to 255. The last five bytes of a block are literals, and
//! no match begins in the last twelve (<https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md>).

/// A shorter match costs as much as it saves.
const MATCH_BYTES_MIN: usize = 4;

/// No match reaches into the last bytes of a block.
const LAST_LITERALS: usize = 5;

/// No match begins so near to the end.
const MATCH_START_MARGIN: usize = 12;

/// Heads of the chains, by hash: as many as half a block has places.
const HASH_BITS: u32 = 15;

/// Places in a block; one place fits into 16 bits.
const PLACES: usize = 64 * 1024;

/// Marks the end of a chain. The last place of a block never begins a match, so it is no loss.
const NOWHERE: u16 = u16::MAX;

/// The tables of the search, a quarter of a megabyte.
pub(super) struct HighCompressor {
    /// The latest place for each hash.
    heads: Vec<u16>,
    /// For each place the one before it with the same hash.
    earlier: Vec<u16>,
    /// Places looked at for one match.
    attempts: usize,
}

/// A repetition of earlier bytes.
#[derive(Clone, Copy)]
struct Match {
    at: usize,
    from: usize,
    length: usize,
}

impl HighCompressor {
    /// Each level doubles the search, as in Java's client; from 17 on it sees everything.
    pub(super) fn new(level: u32) -> Self {
        let attempts = 1 << level.clamp(1, 17).saturating_sub(1);
        Self { heads: vec![NOWHERE; 1 << HASH_BITS], earlier: vec![NOWHERE; PLACES], attempts }
    }

    /// Compresses a block of at most 64 KiB into `out`, which has room for the worst case, and answers how many
    /// bytes that took.
    pub(super) fn compress(&mut self, block: &[u8], out: &mut [u8]) -> usize {
        debug_assert!(block.len() <= PLACES);
        self.heads.fill(NOWHERE);
        let mut writer = Writer { out, len: 0 };
        let (mut anchor, mut at) = (0, 0);
        // Exclusive: the first place where no match may begin.
        let matches_end = block.len().saturating_sub(MATCH_START_MARGIN);
        while at < matches_end {
            let Some(mut found) = self.longest(block, at, MATCH_BYTES_MIN - 1) else {
                at += 1;
                continue;
            };
            // A longer match one byte later is worth the literal.
            while found.at + 1 < matches_end
                && let Some(later) = self.longest(block, found.at + 1, found.length)
            {
                found = later;
            }
            writer.sequence(&block[anchor..found.at], &found);
            at = found.at + found.length;
            anchor = at;
            // `longest` has noted the place that it was last asked for, and the one after that if it looked there.
            self.note_all(block, found.at + 1..at.min(matches_end));
        }
        writer.literals(&block[anchor..], 0);
        writer.len
    }

    /// The longest match for what begins at `at`, if longer than `beyond`. Notes the place.
    fn longest(&mut self, block: &[u8], at: usize, beyond: usize) -> Option<Match> {
        let end = block.len() - LAST_LITERALS;
        let mut best = None;
        let mut length_max = beyond;
        let mut candidate = self.note(block, at);
        for _ in 0..self.attempts {
            if candidate == NOWHERE || at + length_max >= end {
                break;
            }
            let from = usize::from(candidate);
            // Only a match that also holds at the place where the best so far ends can be longer.
            if block[from + length_max] == block[at + length_max] {
                let length = common_bytes(&block[from..], &block[at..end]);
                if length > length_max {
                    length_max = length;
                    best = Some(Match { at, from, length });
                }
            }
            candidate = self.earlier[from];
        }
        best
    }

    fn note_all(&mut self, block: &[u8], places: std::ops::Range<usize>) {
        for place in places {
            self.note(block, place);
        }
    }

    /// Puts a place at the head of its chain, unless it is there, and answers the one before it.
    fn note(&mut self, block: &[u8], place: usize) -> u16 {
        let head = &mut self.heads[hash(block, place)];
        // Places below 64 KiB - 12 fit.
        let place = place as u16;
        if *head != place {
            self.earlier[usize::from(place)] = *head;
            *head = place;
        }
        self.earlier[usize::from(place)]
    }
}

fn hash(block: &[u8], at: usize) -> usize {
    let bytes = [block[at], block[at + 1], block[at + 2], block[at + 3]];
    // Knuth's multiplicative hash: 2^32 divided by the golden ratio.
    (u32::from_le_bytes(bytes).wrapping_mul(2_654_435_761) >> (32 - HASH_BITS)) as usize
}

/// How long the two are equal, at most as long as `right`, which begins after `left`.
fn common_bytes(left: &[u8], right: &[u8]) -> usize {
    let (left_words, _) = left[..right.len()].as_chunks::<8>();
    let (right_words, _) = right.as_chunks::<8>();
    for (index, (a, b)) in left_words.iter().zip(right_words).enumerate() {
        let difference = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if difference != 0 {
            return 8 * index + (difference.trailing_zeros() / 8) as usize;
        }
    }
    let start = 8 * right_words.len();
    start + left[start..].iter().zip(&right[start..]).take_while(|(a, b)| a == b).count()
}

/// Writes sequences.
struct Writer<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl Writer<'_> {
    fn sequence(&mut self, literals: &[u8], found: &Match) {
        let extra = found.length - MATCH_BYTES_MIN;
        self.literals(literals, extra.min(15) as u8);
        // Both places lie in one block of 64 KiB.
        let offset = (found.at - found.from) as u16;
        self.put(&offset.to_le_bytes());
        if extra >= 15 {
            self.rest_of_length(extra - 15);
        }
    }

    /// A token with `match_bits` in its lower half, and the literals.
    fn literals(&mut self, literals: &[u8], match_bits: u8) {
        let count = literals.len();
        self.put(&[((count.min(15) as u8) << 4) | match_bits]);
        if count >= 15 {
            self.rest_of_length(count - 15);
        }
        self.put(literals);
    }

    fn rest_of_length(&mut self, mut rest: usize) {
        while rest >= 255 {
            self.put(&[255]);
            rest -= 255;
        }
        self.put(&[rest as u8]);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.out[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}
