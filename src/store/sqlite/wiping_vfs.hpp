#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

/// Keeps what was deleted out of the gaps of the database file. SQLite zeroes what it frees (`secure_delete`), but when
/// it moves rows between pages to balance a tree, it leaves copies of them in the space that a page does not use; once
/// the rows themselves are deleted, those copies still tell them. A VFS that zeroes this space in every page that is
/// written to a database file closes that hole: nothing reads those bytes, so a page means the same as before.
namespace pebbles::store::sqlite {

/// The size of every page of our files.
inline constexpr std::size_t page_bytes = 4096;

/// The bytes of a page between the pointers to its rows and the rows ("unallocated space" in SQLite's file format,
/// section 1.6): empty for a page that is none of a b-tree, or not as the format has it. `is_first` for page 1, whose
/// first 100 bytes are the file's header.
[[nodiscard]] std::span<std::uint8_t> unused_bytes(std::span<std::uint8_t, page_bytes> page, bool is_first);

/// The name of a VFS that does as `base` (empty: the system's), and zeroes unused bytes of pages that are written to
/// database files. Files of 64 GiB and more are left as they are: there, pages of other kinds may look like pages of a
/// b-tree. Threads: any. Throws Failure when there is no such `base`.
[[nodiscard]] std::string wiping_vfs(const std::string& base);

}  // namespace pebbles::store::sqlite
