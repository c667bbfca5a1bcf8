#pragma once
#include <cstdint>
#include <optional>
#include <utility>

#include "egress/query/places.hpp"
#include "egress/query/text_search.hpp"
#include "store/progress_reader.hpp"

namespace pebbles::query {

enum class ItemKind : std::uint8_t { errors, warnings };

/// Which items are wanted; by default all.
struct ItemFilter {
  std::optional<std::int64_t> line_from;  ///< with either bound only items that have a line
  std::optional<std::int64_t> line_to;
  std::optional<TextSearch> contains;  ///< in the message

  [[nodiscard]] bool takes(const domain::Item& item) const;
};

/// Every error, or warning, that was ever sent of a file, in order, read from the log page by page: to go on costs the
/// same wherever it is. Of what retention took there are only the first; who had gone further can't go on from there.
/// Threads: one at a time; it blocks. Lifetime: the reader outlives it.
/// Errors: those of the reader; not_found where retention took what stood behind the position, or it is a place that
/// the file does not have.
class ItemWalk {
 public:
  enum class Step : std::uint8_t {
    item,   ///< `item()` is the next one
    pause,  ///< a page of the log has been read, and there are more
    end,
  };

  /// Up to what `file` has. `events_per_page` bounds what is read at once, besides its bytes.
  ItemWalk(store::ProgressReader& reader, store::SnapshotPtr file, ItemKind kind, const ItemPosition& from,
           std::size_t events_per_page);

  /// Reads the first page of the log already, so that what fails there fails before an answer begins. Call it first, or
  /// not at all.
  [[nodiscard]] Result<void> begin();
  [[nodiscard]] Result<Step> next();

  // Of the last step, where that was an item.
  [[nodiscard]] const domain::Item& item() const { return *item_; }
  [[nodiscard]] store::Version version() const { return position_.version; }
  [[nodiscard]] Timestamp at() const { return at_; }

  /// Behind the last item, or the page of the log.
  [[nodiscard]] ItemPosition position() const {
    auto out = position_;
    if (out.version > 0 && std::cmp_equal(out.index, items_.size())) out.index = 0;
    return out;
  }
  [[nodiscard]] std::size_t events_read() const { return events_read_; }
  /// Of the baseline with which the page of the log begins; 0 where that is none.
  [[nodiscard]] store::Version baseline() const;

 private:
  [[nodiscard]] const domain::ItemList& list_of(const domain::Reported& reported) const;
  [[nodiscard]] Result<Step> turn_page();
  [[nodiscard]] bool is_inside() const { return events_read_ == 0 && position_.index > 0; }
  [[nodiscard]] bool is_gone(bool was_inside) const;
  bool take_event();

  store::ProgressReader& reader_;
  const store::SnapshotPtr file_;
  const ItemKind kind_;
  const std::int64_t count_;  ///< of all of this file's
  const std::size_t events_per_page_;
  ItemPosition position_;
  store::EventPage page_;
  std::size_t next_event_ = 0;  ///< in the page
  std::size_t events_read_ = 0;
  domain::ItemList items_;
  const domain::Item* item_ = nullptr;
  Timestamp at_;
};

}  // namespace pebbles::query
