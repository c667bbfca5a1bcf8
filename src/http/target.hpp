#pragma once
#include <array>
#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pebbles::http {

/// A request target (RFC 9112, section 3.2), taken apart and decoded. Dot segments and empty segments stay what they
/// are, and `%2F` is a slash within its segment: a path means only what it literally says.
struct Target {
  std::vector<std::string> path;                           ///< the segments between the slashes
  std::vector<std::pair<std::string, std::string>> query;  ///< in order; `+` is a space, as forms write it

  /// The value of a query parameter, nullptr when absent; the first when there are several.
  [[nodiscard]] const std::string* parameter(std::string_view name) const;
  [[nodiscard]] std::size_t count_of(std::string_view name) const;
};

inline constexpr std::size_t path_segments_max = 16;
inline constexpr std::size_t parameters_max = 64;

/// Origin form and absolute form are understood, the latter without a path too. The error says, for the client, what is
/// wrong and where: another form, a bad percent escape, or what is not UTF-8 or holds a NUL once decoded.
[[nodiscard]] std::expected<Target, std::string> parse_target(std::string_view raw);

/// Appends `text` with everything but RFC 3986's unreserved characters percent-encoded.
void append_percent_encoded(std::string& out, std::string_view text);

}  // namespace pebbles::http
