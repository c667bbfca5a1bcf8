#include "store/event_page.hpp"

namespace pebbles::store {

bool EventPageMaker::add(Version first, std::string_view text) {
  for (Version version = first; !text.empty(); ++version) {
    const auto line = take_line(text);
    if (version <= after_) continue;
    if (!room_.take(line.size())) {
      is_full_ = true;
      return false;
    }
    lines_ += line;
    after_ = version;
  }
  return true;
}

Result<EventPage> EventPageMaker::finish() const {
  PEBBLES_TRY(events, decode_events(lines_));
  return EventPage{.events = std::move(events), .more = is_full_};
}

bool FeedPageMaker::add(std::int64_t place, const domain::Filename& filename, std::string_view text) {
  if (place != place_) {
    if (at_place_ > 0) passed(place_);
    at_place_ = 0;
    skip_ = 0;
    place_ = place;
  }
  while (!text.empty()) {
    const auto line = take_line(text);
    if (at_place_ < skip_) {
      ++at_place_;
      continue;
    }
    if (!room_.take(line.size())) {
      is_full_ = true;
      return false;
    }
    lines_ += line;
    page_.next = {.place = place, .given = ++at_place_};
    page_.entries.push_back({.filename = filename, .event = {}, .position = page_.next});
  }
  return true;
}

void FeedPageMaker::passed(std::int64_t place) {
  if (place > page_.next.place || (place == page_.next.place && page_.next.given > 0)) page_.next = {.place = place};
}

Result<FeedPage> FeedPageMaker::finish(bool more) && {
  if (!is_full_ && at_place_ > 0) passed(place_);
  page_.more = more || is_full_;
  std::string_view rest = lines_;
  for (auto& entry : page_.entries) {
    PEBBLES_TRY(event, decode_event(take_line(rest)));
    entry.event = std::move(event);
  }
  return std::move(page_);
}

}  // namespace pebbles::store
