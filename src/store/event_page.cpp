#include "store/event_page.hpp"

#include <algorithm>
#include <charconv>

namespace pebbles::store {
namespace {

/// An event's version, with which its line begins; 0 where it does not: then it is none, which reading it will say.
Version version_of(std::string_view line) {
  constexpr std::string_view before = R"({"v":)";
  Version out = 0;
  if (line.starts_with(before)) std::from_chars(line.data() + before.size(), line.data() + line.size(), out);
  return out;
}

bool is_baseline(std::string_view line) {
  constexpr std::size_t version_ends = 32;  // the kind stands right behind the version
  return line.substr(0, version_ends).contains(R"(,"kind":"baseline")");
}

}  // namespace

bool EventPageMaker::add(std::string_view text) {
  while (!text.empty()) {
    const auto line = take_line(text);
    const auto version = version_of(line);
    if (version > 0 && version <= after_) continue;
    if (!room_.take(line.size())) {
      is_full_ = true;
      return false;
    }
    lines_ += line;
    after_ = std::max(after_, version);
  }
  return true;
}

Result<EventPage> EventPageMaker::finish() const {
  PEBBLES_TRY(events, decode_events(lines_));
  return EventPage{.events = std::move(events), .more = is_full_};
}

void FeedPageMaker::begin(std::int64_t place) {
  if (place == place_) return;
  if (at_place_ > 0) passed(place_);
  at_place_ = 0;
  skip_ = 0;
  place_ = place;
}

bool FeedPageMaker::add_last(std::int64_t place, const domain::Filename& filename, std::string_view text) {
  begin(place);
  at_place_ = number_of_last - 1;
  return add(place, filename, text);
}

bool FeedPageMaker::add(std::int64_t place, const domain::Filename& filename, std::string_view text) {
  begin(place);
  while (!text.empty()) {
    const auto line = take_line(text);
    if (at_place_ < skip_ || is_baseline(line)) {
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
  page_.full = is_full_;
  std::string_view rest = lines_;
  for (auto& entry : page_.entries) {
    PEBBLES_TRY(event, decode_event(take_line(rest)));
    entry.event = std::move(event);
  }
  return std::move(page_);
}

}  // namespace pebbles::store
