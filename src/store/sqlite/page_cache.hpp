#pragma once

namespace pebbles::store::sqlite {

/// Puts a thin layer around SQLite's own page cache, once for the process, that spares it needless walks. Every commit
/// truncates the cache to the database's size. Since 3.39 a B-tree that is balanced parks pages for a moment at the
/// number of the lock-byte page, 262145, which the cache takes for its largest page from then on; so it looks through
/// every page it holds for some to drop (0.3 ms per commit, measured with 8,192 pages). This layer knows which pages
/// were moved away again, and passes on only truncations that concern a page.
///
/// Any thread, any number of times; takes effect only before SQLite is used for the first time in the process, and
/// changes nothing but speed.
/// Source: https://www.sqlite.org/c3ref/pcache_methods2.html
void spare_page_cache_walks();

}  // namespace pebbles::store::sqlite
