#pragma once
#include <simdjson.h>

#include <cstddef>
#include <string_view>

namespace pebbles::json {

inline constexpr std::size_t depth_max = 64;
/// A parser takes some 15 bytes of memory for each byte of its text. Of larger texts it is not kept.
inline constexpr std::size_t kept_text_bytes_max = 64UL << 10U;

/// Parses with a parser that this thread keeps, so that nothing is allocated for ordinary documents. What it returns
/// is valid until the thread's next call, or its next `release_memory`. `text` needs no padding (it is copied); depth
/// is limited to `depth_max`.
[[nodiscard]] simdjson::simdjson_result<simdjson::dom::element> parse(std::string_view text);

/// Frees what this thread's parser holds beyond what is kept. Call it once a large document was read.
void release_memory();

/// Releases the parser's memory at the end of its scope.
struct ParserScope {
  ParserScope() = default;
  ParserScope(const ParserScope&) = delete;
  ParserScope& operator=(const ParserScope&) = delete;
  ~ParserScope() { release_memory(); }
};

/// The text that a member has; empty when there is no such member, or it is no text. Valid as long as the document.
[[nodiscard]] std::string_view text_in(const simdjson::dom::object& object, std::string_view name);

}  // namespace pebbles::json
