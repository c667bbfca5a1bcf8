#pragma once
#include <string>
#include <string_view>

#include "base/assert.hpp"
#include "base/result.hpp"
#include "store/log_format.hpp"
#include "store/progress_reader.hpp"

/// How every store fills its pages: events are read line by line, and only those that are shown.
namespace pebbles::store {

/// What a page has room for.
class PageRoom {
 public:
  explicit PageRoom(const PageBounds& bounds) : bounds_{bounds} {}

  /// Takes room for one more event; false when it is for another page.
  [[nodiscard]] bool take(std::size_t bytes) {
    if (events_ > 0 && (events_ >= bounds_.events || bytes_ + bytes > bounds_.bytes)) return false;
    ++events_;
    bytes_ += bytes;
    return true;
  }
  [[nodiscard]] std::size_t events() const { return events_; }

 private:
  const PageBounds bounds_;
  std::size_t events_ = 0;
  std::size_t bytes_ = 0;
};

/// A page of a stream's events while it is filled, chunk by chunk. They are read when it is finished: who holds others
/// up while the store is read does so for no longer than that takes.
class EventPageMaker {
 public:
  EventPageMaker(Version after, const PageBounds& bounds) : room_{bounds}, after_{after} {
    PEBBLES_ASSERT(after >= 0, "a page behind a version below 0");
  }

  /// Takes the events of a chunk that are not there yet; false when the page is full.
  bool add(std::string_view text);
  [[nodiscard]] bool is_full() const { return is_full_; }
  /// Error: store_corrupt.
  [[nodiscard]] Result<EventPage> finish() const;

 private:
  PageRoom room_;
  Version after_;  ///< the last one taken, or before all
  std::string lines_;
  bool is_full_ = false;
};

/// A feed's page while it is filled. Chunks come in the order of their places. Baselines tell nothing new, and are left
/// out.
class FeedPageMaker {
 public:
  explicit FeedPageMaker(const FeedQuery& query)
      : room_{query.bounds}, skip_{query.after.given}, place_{query.after.place} {
    PEBBLES_ASSERT(skip_ >= 0 && place_ >= 0, "a page behind a place below 0");
    page_.next = query.after;
  }

  /// False when the page is full: nothing more may be added.
  bool add(std::int64_t place, const domain::Filename& filename, std::string_view text);
  /// The same of a place of which only the last event is left, whatever its number was. False when the page is full.
  bool add_last(std::int64_t place, const domain::Filename& filename, std::string_view text);
  /// All up to that place has been looked at.
  void passed(std::int64_t place);
  /// What was added, when all was added that there is (else `more`). Error: store_corrupt.
  [[nodiscard]] Result<FeedPage> finish(bool more) &&;

 private:
  /// More than the events of any chunk.
  static constexpr std::int64_t number_of_last = 1 << 20;
  void begin(std::int64_t place);

  FeedPage page_;
  std::string lines_;  ///< of the entries, whose events are read at the end
  PageRoom room_;
  std::int64_t skip_;          ///< events of the first place that were given before
  std::int64_t place_;         ///< of the last chunk
  std::int64_t at_place_ = 0;  ///< events seen there
  bool is_full_ = false;
};

}  // namespace pebbles::store
