#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "store/list_query.hpp"
#include "store/progress_reader.hpp"

/// Where a page ends and the next begins, and how that is written into a cursor. Pure.
namespace pebbles::query {

/// Behind some of a file's items: those of all events up to `version`, or of that one only the first `index`.
struct ItemPosition {
  store::Version version = 0;  ///< 0: before everything
  std::int64_t index = 0;      ///< 0: all of that version
  std::int64_t seen = 0;       ///< how many that are: where they are all, the rest of the log need not be read
  bool in_life = false;        ///< the file's first event is behind too: it may have been deleted and made again before
  friend bool operator==(const ItemPosition&, const ItemPosition&) = default;
};

/// Behind the events up to `version`.
struct HistoryPosition {
  store::Version version = 0;
  bool in_life = false;  ///< as of `ItemPosition`
  friend bool operator==(const HistoryPosition&, const HistoryPosition&) = default;
};

// Numbers are written with eight bytes, the highest first.
[[nodiscard]] std::string encode(const ItemPosition& place);
[[nodiscard]] std::string encode(const HistoryPosition& place);
[[nodiscard]] std::string encode(const store::FeedPosition& place);
/// Nullopt where the time is none of the years 0 to 9999, and the nearest one that is would lead the list back.
[[nodiscard]] std::optional<std::string> encode(const store::ListSort& sort, const store::ListPosition& place);

// Nullopt for all that is no place: too few or too many bytes; versions and counts below 0 or above `count_max`;
// indexes below 0 or above 2^31 - 1; a truth that is neither 0 nor 1; times outside the years 0 to 9999; a filename
// that is empty, or not of the list. That a place is behind all that there is, is for who walks to find.
[[nodiscard]] std::optional<ItemPosition> decode_item(std::string_view bytes);
[[nodiscard]] std::optional<HistoryPosition> decode_history(std::string_view bytes);
[[nodiscard]] std::optional<store::FeedPosition> decode_feed(std::string_view bytes);
[[nodiscard]] std::optional<store::ListPosition> decode_list(const store::ListQuery& list, std::string_view bytes);

}  // namespace pebbles::query
