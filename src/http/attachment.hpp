#pragma once
#include <string>
#include <string_view>

namespace pebbles::http {

/// A `Content-Disposition` value that has browsers save an answer under `stem` and `ending` (RFC 6266), whatever a file
/// of somebody's is called: only what follows the last slash or backslash of `stem` counts, and what has a meaning to a
/// shell or a file system, or turns the direction of writing, becomes `_`. Precondition: `stem` is UTF-8.
[[nodiscard]] std::string attachment(std::string_view stem, std::string_view ending);

}  // namespace pebbles::http
