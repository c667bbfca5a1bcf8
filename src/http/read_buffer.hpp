#pragma once
#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace pebbles::http {

/// Bytes that came in and aren't used yet, in one piece. Grows up to a bound; views die with the next `room`.
class ReadBuffer {
 public:
  static constexpr std::size_t first_bytes = 4UL << 10U;

  explicit ReadBuffer(std::size_t bytes_max) : bytes_max_{bytes_max} {}

  [[nodiscard]] std::string_view data() const { return {bytes_.get() + begin_, end_ - begin_}; }
  [[nodiscard]] bool empty() const { return begin_ == end_; }

  void consume(std::size_t count) {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
  }

  /// Free space behind the data, empty when the bound is reached. Moves the data, to grow or to close the gap before.
  [[nodiscard]] std::span<char> room() {
    if (capacity_ - end_ < capacity_ / 4 || capacity_ == 0) make_room();
    return {bytes_.get() + end_, capacity_ - end_};
  }
  void commit(std::size_t count) { end_ += count; }

 private:
  void make_room() {
    const auto size = end_ - begin_;
    if (capacity_ == 0 || (size > capacity_ / 2 && capacity_ < bytes_max_)) {
      const auto capacity = std::clamp(capacity_ * 2, std::min(first_bytes, bytes_max_), bytes_max_);
      auto bytes = std::make_unique_for_overwrite<char[]>(capacity);
      if (size > 0) std::memcpy(bytes.get(), bytes_.get() + begin_, size);
      bytes_ = std::move(bytes);
      capacity_ = capacity;
    } else if (begin_ > 0) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, size);
    }
    begin_ = 0;
    end_ = size;
  }

  std::size_t bytes_max_;
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace pebbles::http
