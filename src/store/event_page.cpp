#include "store/event_page.hpp"

namespace pebbles::store {

Result<bool> add_chunk(EventPage& page, PageRoom& room, Version& after, Version first, std::string_view text) {
  for (Version version = first; !text.empty(); ++version) {
    const auto line = take_line(text);
    if (version <= after) continue;
    if (!room.take(line.size())) {
      page.more = true;
      return false;
    }
    PEBBLES_TRY(event, decode_event(line));
    if (event.version != version) return failure(Errc::store_corrupt, "an event is not where its chunk has it");
    page.events.push_back(std::move(event));
    after = version;
  }
  return true;
}

Result<bool> FeedPageMaker::add(std::int64_t place, const domain::Filename& filename, std::string_view text) {
  if (place != place_) {
    if (at_place_ > 0 || place_ > page_.next.place) passed(place_);
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
    PEBBLES_TRY(event, decode_event(line));
    page_.next = {.place = place, .given = ++at_place_};
    page_.entries.push_back({.filename = filename, .event = std::move(event), .position = page_.next});
  }
  return true;
}

void FeedPageMaker::passed(std::int64_t place) {
  if (place > page_.next.place || (place == page_.next.place && page_.next.given > 0)) page_.next = {.place = place};
}

FeedPage FeedPageMaker::finish(bool more) && {
  if (!is_full_ && at_place_ > 0) passed(place_);
  page_.more = more || is_full_;
  return std::move(page_);
}

}  // namespace pebbles::store
