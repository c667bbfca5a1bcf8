#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "store/event_store.hpp"

/// What a list is asked for, and the rules by which files are in it and in which order: the same for every store. Pure.
namespace pebbles::store {

/// What is asked of a file, not what it is: one with errors may be running as well.
enum class ListStatus : std::uint8_t {
  running,  ///< not completed
  completed,
  with_errors,    ///< errors, or failed rows
  with_warnings,  ///< warnings, or rows with one
  stalled,        ///< running, and without an update for long
};

enum class ListOrder : std::uint8_t {
  updated,   ///< by the last update; ids break ties
  created,   ///< by id, which begins with the second in which the file was made
  filename,  ///< byte by byte
};

struct ListSort {
  ListOrder by = ListOrder::updated;
  bool descending = true;
  friend bool operator==(const ListSort&, const ListSort&) = default;
};

/// A place in a list; what its order does not compare is empty. A page starts behind one.
struct ListPosition {
  Timestamp updated_at;
  domain::FileId id{};
  domain::Filename filename{};
  friend bool operator==(const ListPosition&, const ListPosition&) = default;
};

struct ListQuery {
  std::optional<domain::Email> owner{};  ///< only this owner's files
  std::optional<ListPosition> after{};
  std::size_t limit = 0;  ///< at least 1
  std::optional<ListStatus> status{};
  Timestamp stalled_before{};  ///< running files that were last updated before are stalled
  std::string filename_prefix{};
  std::optional<Timestamp> created_after{};
  std::optional<Timestamp> updated_after{};
  ListSort sort{};
  std::size_t examined_max = 10'000;   ///< entries that a page looks at, at most: it may have fewer than `limit`
  std::size_t bytes_max = 8UL << 20U;  ///< of its records, by `bytes_of`: a page that reaches them ends there

  /// Whether it asks for anything that the order's index does not tell.
  [[nodiscard]] bool is_filtered() const;
};

/// What a file is judged by. Views, of a snapshot or of a row.
struct ListFacts {
  std::string_view filename;
  std::string_view owner;
  bool completed = false;
  bool has_errors = false;
  bool has_warnings = false;
  Timestamp created_at;
  Timestamp updated_at;
};
[[nodiscard]] ListFacts facts_of(const Snapshot& snapshot);

/// Whether the file is one that the query asks for, wherever it stands.
[[nodiscard]] bool matches(const ListQuery& query, const ListFacts& facts);

[[nodiscard]] ListPosition position_of(ListOrder order, const Snapshot& snapshot);
[[nodiscard]] std::weak_ordering compare(ListOrder order, const ListPosition& a, const ListPosition& b);
/// Whether `a` stands before `b` in the list.
[[nodiscard]] bool stands_before(const ListSort& sort, const ListPosition& a, const ListPosition& b);

struct ListPage {
  std::vector<SnapshotPtr> records;
  /// Where the next page starts; nullopt at the end of the list. It may stand behind more than `records`: behind the
  /// last entry that was looked at.
  std::optional<ListPosition> next;
};
/// The first of what was found, by `limit` and `bytes_max`. `end` is where the search stopped without having seen all.
[[nodiscard]] ListPage make_page(const ListQuery& query, std::vector<SnapshotPtr> found,
                                 std::optional<ListPosition> end);

/// All that the query asks for was updated later than this: a file's last update is no earlier than its first.
[[nodiscard]] std::optional<Timestamp> updated_floor(const ListQuery& query);
/// All that the query asks for has at least this id.
[[nodiscard]] std::optional<domain::FileId> id_floor(const ListQuery& query);
/// The first text behind all that begin with the prefix, as UTF-8 is ordered; nullopt where every other one is.
[[nodiscard]] std::optional<std::string> prefix_end(std::string_view prefix);

}  // namespace pebbles::store
