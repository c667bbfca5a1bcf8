#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

namespace pebbles::kafka {

/// The messages of one partition that were read and are not yet done with, in order. Tells which offset may be
/// committed: the one behind the last message that is done together with all before it. Pure; threads: one at a time.
template <class Payload>
class OffsetTracker {
 public:
  using Sequence = std::uint64_t;

  /// A message was read. Precondition: its offset is above all before it. Offsets may have gaps (compaction, aborted
  /// transactions).
  Sequence add(std::int64_t offset, Payload payload) {
    entries_.push_back({.offset = offset, .payload = std::move(payload)});
    read_to_ = offset + 1;
    return first_ + entries_.size() - 1;
  }

  /// Whether a message of that offset was read already.
  [[nodiscard]] bool has_passed(std::int64_t offset) const { return read_to_ && offset < *read_to_; }

  /// Null when that message is done.
  [[nodiscard]] Payload* find(Sequence sequence) {
    if (sequence < first_ || sequence - first_ >= entries_.size()) return nullptr;
    auto& entry = entries_[sequence - first_];
    return entry.done ? nullptr : &entry.payload;
  }
  /// Precondition: `find(sequence)`.
  [[nodiscard]] std::int64_t offset_of(Sequence sequence) const { return entries_[sequence - first_].offset; }

  /// The message is done with. What it carried goes at once, however long those before it take.
  void finish(Sequence sequence) {
    if (find(sequence) == nullptr) return;
    auto& entry = entries_[sequence - first_];
    entry.done = true;
    entry.payload = Payload{};
    while (!entries_.empty() && entries_.front().done) {
      committable_ = entries_.front().offset + 1;
      entries_.pop_front();
      ++first_;
    }
    if (entries_.empty()) committable_ = read_to_;
  }

  /// There is nothing more to read below `offset`: what stands there is not for readers.
  void skip_to(std::int64_t offset) {
    if (read_to_ && offset <= *read_to_) return;
    read_to_ = offset;
    if (entries_.empty()) committable_ = offset;
  }

  /// The next offset to read, when all below it is done; nullopt before the first.
  [[nodiscard]] std::optional<std::int64_t> committable() const { return committable_; }
  /// Messages that wait, or are done behind one that waits.
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::int64_t offset = 0;
    Payload payload;
    bool done = false;
  };
  std::deque<Entry> entries_;
  Sequence first_ = 0;
  std::optional<std::int64_t> read_to_;
  std::optional<std::int64_t> committable_;
};

}  // namespace pebbles::kafka
