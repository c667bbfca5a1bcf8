#pragma once
#include <compare>
#include <cstddef>
#include <functional>
#include <utility>

namespace pebbles {

/// A value with a meaning of its own: two `Strong` types over the same `T` do not mix.
/// Reading is by `get()` (or `*x`); there is no implicit conversion in either direction.
template <class T, class Tag>
class Strong {
 public:
  using value_type = T;
  Strong() = default;
  explicit Strong(T value) : value_{std::move(value)} {}

  [[nodiscard]] const T& get() const& noexcept { return value_; }
  [[nodiscard]] T get() && noexcept { return std::move(value_); }
  [[nodiscard]] const T& operator*() const noexcept { return value_; }
  [[nodiscard]] const T* operator->() const noexcept { return &value_; }

  friend bool operator==(const Strong&, const Strong&) = default;
  friend auto operator<=>(const Strong&, const Strong&) = default;

 private:
  T value_{};
};

}  // namespace pebbles

template <class T, class Tag>
struct std::hash<pebbles::Strong<T, Tag>> {
  std::size_t operator()(const pebbles::Strong<T, Tag>& value) const noexcept { return std::hash<T>{}(value.get()); }
};
