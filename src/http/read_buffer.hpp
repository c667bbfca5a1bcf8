#pragma once
#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace pebbles::http {

/// Bytes that were received and are not used yet, in one piece. Holds no memory until the first `room`, and none after
/// `release`. Views die with the next `room`, `append` or `release`.
class ReadBuffer {
 public:
  static constexpr std::size_t first_bytes = 4UL << 10U;

  explicit ReadBuffer(std::size_t bytes_max) : bytes_max_{bytes_max} {}

  [[nodiscard]] std::string_view data() const { return {bytes_.get() + begin_, end_ - begin_}; }
  [[nodiscard]] bool empty() const { return begin_ == end_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }

  /// The first bytes of the data, to be changed in place. Precondition: there are that many.
  [[nodiscard]] std::span<char> front(std::size_t count) { return {bytes_.get() + begin_, count}; }

  void consume(std::size_t count) {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
  }

  /// What `room` will hold on to, counted before it does: the next step of growth when the data leave no space.
  [[nodiscard]] std::size_t next_capacity() const {
    if (capacity_ == 0) return std::min(first_bytes, bytes_max_);
    return must_grow() ? std::min(capacity_ * 2, bytes_max_) : capacity_;
  }

  /// Free space after the data, empty when the bound is reached. Moves the data, to grow or to close the gap before.
  [[nodiscard]] std::span<char> room() {
    if (capacity_ - end_ < capacity_ / 4 || capacity_ == 0) make_room();
    return {bytes_.get() + end_, capacity_ - end_};
  }
  void commit(std::size_t count) { end_ += count; }

  /// Takes over bytes that were received elsewhere. False, and nothing is taken, where they do not fit.
  [[nodiscard]] bool append(std::string_view bytes) {
    while (room().size() < bytes.size()) {
      if (next_capacity() == capacity_) return false;
      grow(next_capacity());
    }
    std::memcpy(bytes_.get() + end_, bytes.data(), bytes.size());
    commit(bytes.size());
    return true;
  }

  /// Gives the memory back. Precondition: empty.
  void release() {
    bytes_.reset();
    capacity_ = begin_ = end_ = 0;
  }

 private:
  [[nodiscard]] bool must_grow() const {
    return capacity_ - end_ < capacity_ / 4 && end_ - begin_ > capacity_ / 2 && capacity_ < bytes_max_;
  }

  void make_room() {
    if (capacity_ == 0 || must_grow())
      grow(next_capacity());
    else if (begin_ > 0)
      move_to(bytes_.get());
  }

  void grow(std::size_t capacity) {
    auto bytes = std::make_unique_for_overwrite<char[]>(capacity);
    move_to(bytes.get());
    bytes_ = std::move(bytes);
    capacity_ = capacity;
  }

  void move_to(char* place) {
    const auto size = end_ - begin_;
    if (size > 0) std::memmove(place, bytes_.get() + begin_, size);
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
