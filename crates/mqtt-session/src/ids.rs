//! [`IdTable`]: what belongs to a packet identifier, and which identifiers are free.
//!
//! Packet identifiers are mostly handed out in sequence and given back in nearly the same order, but any of them
//! can stay in use for ever. So the table is a ring in pages of 64 cells: a page exists only while one of its
//! identifiers is in use, emptied pages are reused, and an identifier that is never given back costs its page and
//! one bit that the search for the next free one skips. Of pages that are full it skips 64 at a time.

use alloc::boxed::Box;
use alloc::vec::Vec;

use mqtt_codec::PacketId;

const PAGE_CELLS: usize = 64;

/// The number of pages, of which the first has no cell for the identifier 0.
const PAGES: usize = 65_536 / PAGE_CELLS;

/// The words that hold one bit for each page.
const WORDS: usize = PAGES / 64;

/// How many emptied pages are kept for reuse: enough for a window of 1,024 identifiers.
const SPARE_PAGES: usize = 17;

/// A map from packet identifiers to values. Each operation takes constant time.
#[derive(Debug)]
pub(crate) struct IdTable<T> {
    pages: Vec<Option<Box<Page<T>>>>,
    spare: Vec<Box<Page<T>>>,
    len: usize,
    /// One bit for each page, set while none of its identifiers is free.
    full: [u64; WORDS],
}

#[derive(Debug)]
struct Page<T> {
    /// Bit n is set while cell n holds a value.
    used: u64,
    cells: [Option<T>; PAGE_CELLS],
}

impl<T> Page<T> {
    fn new() -> Box<Self> {
        Box::new(Self { used: 0, cells: [const { None }; PAGE_CELLS] })
    }
}

impl<T> IdTable<T> {
    pub(crate) const fn new() -> Self {
        Self { pages: Vec::new(), spare: Vec::new(), len: 0, full: [0; WORDS] }
    }

    /// How many identifiers are in use.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn get(&self, id: PacketId) -> Option<&T> {
        let (page, cell) = place(id);
        self.pages.get(page)?.as_ref()?.cells[cell].as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: PacketId) -> Option<&mut T> {
        let (page, cell) = place(id);
        self.pages.get_mut(page)?.as_mut()?.cells[cell].as_mut()
    }

    /// Puts `value` under `id`, in place of what was there.
    #[inline]
    pub(crate) fn insert(&mut self, id: PacketId, value: T) {
        if let Some(there) = self.get_mut(id) {
            *there = value;
        } else {
            self.insert_if_free(id, || value);
        }
    }

    /// Puts `value` under `id` if that is free, and says whether it was. This looks for the place once.
    #[inline(always)]
    pub(crate) fn insert_if_free(&mut self, id: PacketId, value: impl FnOnce() -> T) -> bool {
        let (number, cell) = place(id);
        if !matches!(self.pages.get(number), Some(Some(_))) {
            self.add_page(number);
        }
        let Some(Some(page)) = self.pages.get_mut(number) else { return false };
        if page.used >> cell & 1 != 0 {
            return false;
        }
        page.cells[cell] = Some(value());
        page.used |= 1 << cell;
        self.len += 1;
        if page.used | no_identifier(number) == u64::MAX {
            self.full[number / 64] |= 1 << (number % 64);
        }
        true
    }

    #[inline(never)]
    fn add_page(&mut self, number: usize) {
        if number >= self.pages.len() {
            self.pages.resize_with(number + 1, || None);
        }
        self.pages[number] = Some(self.spare.pop().unwrap_or_else(Page::new));
    }

    /// Takes the value of `id` out, which is free from then on.
    #[inline]
    pub(crate) fn remove(&mut self, id: PacketId) -> Option<T> {
        let (number, cell) = place(id);
        let page = self.pages.get_mut(number)?.as_mut()?;
        let value = page.cells[cell].take()?;
        page.used &= !(1 << cell);
        let is_empty = page.used == 0;
        self.vacate(number, is_empty);
        Some(value)
    }

    /// Drops the value of `id`, which is free from then on, unless something about it speaks against that: what was seen of
    /// it. This moves less than [`remove`](Self::remove).
    #[inline(always)]
    pub(crate) fn end_if<R, E>(
        &mut self,
        id: PacketId,
        look: impl FnOnce(&T) -> Result<R, E>,
    ) -> Result<Option<R>, E> {
        let (number, cell) = place(id);
        let Some(Some(page)) = self.pages.get_mut(number) else { return Ok(None) };
        let Some(value) = &page.cells[cell] else { return Ok(None) };
        let seen = look(value)?;
        page.cells[cell] = None;
        page.used &= !(1 << cell);
        let is_empty = page.used == 0;
        self.vacate(number, is_empty);
        Ok(Some(seen))
    }

    /// A cell of a page has become empty, and perhaps all of it.
    #[inline(always)]
    fn vacate(&mut self, number: usize, is_empty: bool) {
        self.len -= 1;
        self.full[number / 64] &= !(1 << (number % 64));
        if is_empty {
            self.remove_page(number);
        }
    }

    #[inline(never)]
    fn remove_page(&mut self, number: usize) {
        self.spare.extend(self.pages[number].take());
        self.spare.truncate(SPARE_PAGES);
    }

    /// The first free identifier at or after `from`, going round once past 65,535; `None` when all are in use.
    #[inline]
    pub(crate) fn next_free(&self, from: PacketId) -> Option<PacketId> {
        if self.get(from).is_none() { Some(from) } else { self.search_free(from) }
    }

    #[inline(never)]
    fn search_free(&self, from: PacketId) -> Option<PacketId> {
        let (first_page, first_cell) = place(from);
        let behind = self.free_cells(first_page) & (u64::MAX << first_cell);
        let (page, free) = if behind == 0 {
            // The last page to be found is the first one again, for what is free before `from`.
            let page = self.page_with_room((first_page + 1) % PAGES)?;
            (page, self.free_cells(page))
        } else {
            (first_page, behind)
        };
        let id = page * PAGE_CELLS + free.trailing_zeros() as usize;
        u16::try_from(id).ok().and_then(PacketId::new)
    }

    /// The first page at or after `from` that is not full, going round once.
    fn page_with_room(&self, from: usize) -> Option<usize> {
        let (first_word, first_bit) = (from / 64, from % 64);
        (0..=WORDS).find_map(|n| {
            let word = (first_word + n) % WORDS;
            let asked = if n == 0 { u64::MAX << first_bit } else { u64::MAX };
            let room = !self.full[word] & asked;
            (room != 0).then(|| word * 64 + room.trailing_zeros() as usize)
        })
    }

    /// All pairs in order of their identifiers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PacketId, &T)> + '_ {
        self.pages.iter().enumerate().flat_map(|(number, page)| {
            let cells = page.iter().flat_map(|page| page.cells.iter().enumerate());
            cells.filter_map(move |(cell, value)| {
                let id = u16::try_from(number * PAGE_CELLS + cell).ok().and_then(PacketId::new)?;
                Some((id, value.as_ref()?))
            })
        })
    }

    /// One bit for each cell of a page that is free and belongs to an identifier.
    fn free_cells(&self, number: usize) -> u64 {
        let used = self.pages.get(number).and_then(Option::as_ref).map_or(0, |page| page.used);
        !(used | no_identifier(number))
    }
}

/// One bit for each cell of a page that belongs to no identifier: the first of all.
#[inline]
fn no_identifier(page: usize) -> u64 {
    u64::from(page == 0)
}

#[inline]
fn place(id: PacketId) -> (usize, usize) {
    let id = usize::from(id.get());
    (id / PAGE_CELLS, id % PAGE_CELLS)
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use super::*;

    fn id(number: u16) -> PacketId {
        PacketId::new(number).unwrap()
    }

    fn table(ids: impl IntoIterator<Item = u16>) -> IdTable<u16> {
        let mut table = IdTable::new();
        for number in ids {
            table.insert(id(number), number);
        }
        table
    }

    #[test]
    fn next_free_goes_round_and_skips_what_is_in_use() {
        let check = |used: &[u16], from: u16, expected: u16| {
            let table = table(used.iter().copied());
            assert_eq!(table.next_free(id(from)), Some(id(expected)), "from {from} with {used:?}");
        };
        check(&[], 1, 1);
        check(&[1, 2, 4], 1, 3);
        check(&[63, 64, 65], 63, 66);
        check(&[65_535], 65_535, 1);
        check(&[65_535, 1], 65_535, 2);
        check(&[], 65_535, 65_535);
    }

    #[test]
    fn next_free_finds_the_last_one_wherever_it_is() {
        let mut table = table(1..=65_535);
        assert_eq!(table.next_free(id(1)), None);
        for hole in [1, 2, 63, 64, 32_000, 65_534, 65_535] {
            table.remove(id(hole));
            for from in [1, 2, 63, 64, 65, 32_000, 32_001, 65_535] {
                assert_eq!(table.next_free(id(from)), Some(id(hole)), "from {from}");
            }
            table.insert(id(hole), hole);
        }
    }

    #[test]
    fn agrees_with_a_plain_map() {
        let mut table = IdTable::new();
        let mut model = BTreeMap::new();
        let mut random = 1_u64;
        for step in 0..200_000_u32 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let number = ((random >> 40) as u16 & 0x0fff) | 1;
            if random >> 63 == 0 {
                table.insert(id(number), step);
                model.insert(number, step);
            } else {
                assert_eq!(table.remove(id(number)), model.remove(&number));
            }
            assert_eq!(table.len(), model.len());
        }
        let pairs: Vec<_> = table.iter().map(|(id, value)| (id.get(), *value)).collect();
        assert_eq!(pairs, model.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn pages_of_a_moving_window_are_reused() {
        let mut table = table(1..=100);
        for number in 101..=65_535 {
            table.insert(id(number), number);
            table.remove(id(number - 100));
        }
        assert!(table.pages.iter().flatten().count() <= 3);
        assert!(table.spare.len() <= 2);
    }
}
