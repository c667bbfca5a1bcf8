#pragma once
#include <expected>
#include <string>
#include <utility>

namespace pebbles {

/// What went wrong, as far as a caller's next step depends on it.
enum class Errc {
  invalid_argument,   ///< the input breaks a rule; the same input fails again
  not_found,          ///< there is no such thing
  unauthenticated,    ///< no identity could be established
  forbidden,          ///< the identity may not do this
  store_unavailable,  ///< the store did not answer, or is full; later may be better
  store_corrupt,      ///< what is stored contradicts itself; a human has to look
  internal,           ///< a surprise
};

/// `code` picks the answer; `detail` is for the log and for people at the terminal, never for an HTTP client.
struct Error {
  Errc code{};
  std::string detail;
};

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> failure(Errc code, std::string detail) {
  return std::unexpected{Error{code, std::move(detail)}};
}

}  // namespace pebbles

#define PEBBLES_CONCAT_(a, b) a##b
#define PEBBLES_CONCAT(a, b) PEBBLES_CONCAT_(a, b)

/// Binds `name` to the value of `expression`, or returns its error from the enclosing function.
#define PEBBLES_TRY(name, expression)                                             \
  auto PEBBLES_CONCAT(result_, __LINE__) = (expression);                          \
  if (!PEBBLES_CONCAT(result_, __LINE__)) [[unlikely]]                            \
    return std::unexpected{std::move(PEBBLES_CONCAT(result_, __LINE__)).error()}; \
  auto&& name = *std::move(PEBBLES_CONCAT(result_, __LINE__))

/// The same for a `Result<void>`.
#define PEBBLES_TRY_VOID(expression)                        \
  do {                                                      \
    if (auto result_ = (expression); !result_) [[unlikely]] \
      return std::unexpected{std::move(result_).error()};   \
  } while (false)
