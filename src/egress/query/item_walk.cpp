#include "egress/query/item_walk.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace pebbles::query {
namespace {

std::unexpected<Error> gone() { return failure(Errc::not_found, "the items behind this place are not there any more"); }

}  // namespace

bool ItemFilter::takes(const domain::Item& item) const {
  if (line_from && (!item.line || *item.line < *line_from)) return false;
  if (line_to && (!item.line || *item.line > *line_to)) return false;
  return !contains || contains->finds_in(item.message);
}

ItemWalk::ItemWalk(store::ProgressReader& reader, store::SnapshotPtr file, ItemKind kind, const ItemPosition& from,
                   std::size_t events_per_page)
    : reader_{reader},
      file_{std::move(file)},
      kind_{kind},
      count_{kind == ItemKind::errors ? file_->progress.errors.count : file_->progress.warnings.count},
      events_per_page_{events_per_page},
      position_{from} {
  PEBBLES_ASSERT(from.version >= 0 && from.index >= 0 && from.seen >= 0, "a place before the first item");
  if (!file_->progress.is_before_log()) {
    // It had no log when the place was given out: its first event has the same items.
    if (position_.version == 0 && position_.index > 0) position_.version = 1;
    return;
  }
  // It has no log yet: what is kept is what there is.
  const auto& kept = kind == ItemKind::errors ? file_->progress.errors : file_->progress.warnings;
  items_ = kept.first;
  at_ = file_->progress.updated_at;
}

Result<void> ItemWalk::begin() {
  if (file_->progress.is_before_log() && std::cmp_greater(position_.index, items_.size())) return gone();
  if (position_.seen < count_) PEBBLES_TRY_VOID(turn_page());
  return {};
}

Result<ItemWalk::Step> ItemWalk::next() {
  for (;;) {
    if (std::cmp_less(position_.index, items_.size())) {
      PEBBLES_ASSERT(position_.index >= 0, "an item before the first one");
      item_ = items_.begin() + position_.index;
      ++position_.index;
      ++position_.seen;
      return Step::item;
    }
    if (position_.seen >= count_) return Step::end;
    if (!take_event()) return turn_page();
  }
}

const domain::ItemList& ItemWalk::list_of(const domain::Reported& reported) const {
  return kind_ == ItemKind::errors ? reported.errors : reported.warnings;
}

/// False when the page has no more.
bool ItemWalk::take_event() {
  if (next_event_ == page_.events.size()) return false;
  const auto& event = page_.events[next_event_++];
  if (event.id) position_.in_life = *event.id == file_->progress.id;
  if (event.version != position_.version) position_.index = 0;
  position_.version = event.version;
  items_ = position_.in_life ? list_of(domain::reported_in(event)) : domain::ItemList{};
  at_ = event.at;
  return true;
}

Result<ItemWalk::Step> ItemWalk::turn_page() {
  if (file_->progress.is_before_log()) return Step::end;
  // A position inside an event reads that event again, once; otherwise it is behind it.
  const bool was_inside = is_inside();
  const auto after = was_inside ? position_.version - 1 : position_.version;
  if (after >= file_->progress.version) return Step::end;
  constexpr std::size_t page_bytes = 512UL << 10U;
  PEBBLES_TRY(page, reader_.events(file_->stream, after, {.events = events_per_page_, .bytes = page_bytes}));
  page_ = std::move(page);
  next_event_ = 0;
  events_read_ += page_.events.size();
  if (is_gone(was_inside)) return gone();
  return page_.events.empty() ? Step::end : Step::pause;
}

store::Version ItemWalk::baseline() const {
  const bool is_there = !page_.events.empty() && std::holds_alternative<domain::Baseline>(page_.events.front().what);
  return is_there ? page_.events.front().version : 0;
}

/// Whether a baseline covers more than was passed: it has the first items once more, and lacks others. Where none was
/// passed yet it is as good a beginning as any.
bool ItemWalk::is_gone(bool was_inside) const {
  if (was_inside && !page_.events.empty() && baseline() == 0) {
    // Not the event that the place is inside of, or one of fewer items: the log is not the one that it was given for.
    const auto& first = page_.events.front();
    return first.version != position_.version ||
           std::cmp_greater(position_.index, list_of(domain::reported_in(first)).size());
  }
  if (baseline() == 0 || position_.seen == 0) return false;
  if (baseline() != position_.version) return true;
  // The position is inside of the event that was the last to go, or of the baseline itself: that has the same items
  // only if none were before them, and it may have fewer.
  const auto kept = list_of(domain::reported_in(page_.events.front())).size();
  return position_.index != position_.seen || std::cmp_greater(position_.index, kept);
}

}  // namespace pebbles::query
