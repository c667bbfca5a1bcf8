#pragma once
#include <concepts>
#include <memory>
#include <utility>

namespace pebbles {

/// A value with memory of its own, for a large part of what is handed on often: moving it moves a pointer.
/// Move-only; nothing but destruction and assignment is allowed of one that was moved from.
template <class T>
class Boxed {
 public:
  template <class From>
    requires std::constructible_from<T, From&&>
  Boxed(From&& value) : value_{std::make_unique<T>(std::forward<From>(value))} {}  // NOLINT: meant to convert
  Boxed(Boxed&&) noexcept = default;
  Boxed& operator=(Boxed&&) noexcept = default;
  Boxed(const Boxed&) = delete;
  Boxed& operator=(const Boxed&) = delete;
  ~Boxed() = default;

  [[nodiscard]] T& operator*() noexcept { return *value_; }
  [[nodiscard]] const T& operator*() const noexcept { return *value_; }

 private:
  std::unique_ptr<T> value_;
};

}  // namespace pebbles
