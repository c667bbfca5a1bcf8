#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// What is wrong with a text that should be JSON, for the people who made it.
namespace pebbles::json {

struct Problem {
  enum class Kind : std::uint8_t {
    syntax,  ///< it is no JSON (RFC 8259)
    value,   ///< where values begin and end is clear, but one of them cannot be read: a string, a number, or too deep
  };
  Kind kind{};
  std::size_t offset = 0;  ///< in bytes
  std::string what;        ///< in our own words: "expected ',' or ']', found 'x'". Repeats one character at most
};

/// The first problem, one of syntax before any other; nullopt for JSON that `parse` can read. Makes no tree: it takes a
/// bit for each level of nesting, and one pass. Threads: any.
[[nodiscard]] std::optional<Problem> find_problem(std::string_view text);

/// "line 3, column 7" for a place in `text`; columns count characters, both begin with 1.
[[nodiscard]] std::string place_of(std::string_view text, std::size_t offset);

}  // namespace pebbles::json
