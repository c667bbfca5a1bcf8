#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "domain/decide.hpp"

/// Bytes → validated commands, once, the same for every channel. Pure: times and keys come in as arguments.
namespace pebbles::admission {

inline constexpr std::size_t update_bytes_max = 1UL << 20U;
inline constexpr std::size_t items_max = 10'000;
inline constexpr std::size_t message_bytes_max = 64UL << 10U;  ///< also of an item's `value`
inline constexpr std::size_t code_bytes_max = 256;
inline constexpr std::size_t field_bytes_max = 1024;
inline constexpr std::size_t filename_bytes_max = 1024;
inline constexpr std::size_t key_bytes_max = 256;

/// One thing that is wrong with an input. `pointer` is a JSON pointer (RFC 6901), "" for the whole document.
struct Fault {
  std::string detail;
  std::string pointer;
};
using Faults = std::vector<Fault>;

/// "Invalid parameters: counts.done must be …; total must be …": the text that clients know.
[[nodiscard]] std::string summary_of(const Faults& faults);

/// The members of an update, parsed and valid.
struct Update {
  domain::Filename filename;
  domain::Reported what;
  std::string event_id;          ///< empty when absent
  std::string envelope_id = {};  ///< of the CloudEvent that it came in; empty when there was none
  std::string client_krn;        ///< queues only: as written, not judged yet; empty when absent
  std::string email;             ///< queues only, likewise
};

/// The most memory that reading a text of an update may leave behind: its items weigh many times their text where they
/// are empty. Beside it the parser takes some 15 times the text while it reads.
[[nodiscard]] constexpr std::size_t parsed_bytes_max(std::size_t text_bytes) {
  constexpr std::size_t shortest_item_bytes = 15;   // {"message":""},
  constexpr std::size_t fixed_bytes = 32UL << 10U;  // the update itself; or a hundred faults
  return std::min(2 * items_max, text_bytes / shortest_item_bytes) * sizeof(domain::Item) + 2 * text_bytes +
         fixed_bytes;
}

/// Parses and judges one update (docs/api.md has the rules), with the envelope of an event around it or without. All
/// faults are reported, up to 100. Null counts as absent for every optional member. Threads: any; `body` is copied
/// once, into a parser that the thread keeps.
[[nodiscard]] std::variant<Update, Faults> parse_update(std::string_view body);

/// A producer's key: 1 to 256 bytes, no control characters, valid UTF-8.
[[nodiscard]] bool is_valid_key(std::string_view key);
/// 1 to 1024 bytes, no control characters, valid UTF-8.
[[nodiscard]] bool is_valid_filename(std::string_view filename);
/// Valid UTF-8, and an address as `domain::is_valid_email` has it.
[[nodiscard]] bool is_valid_email(std::string_view email);

/// The key by which a redelivery of an update is known: `key_space` is "p:", "s:" or "r:".
[[nodiscard]] domain::EventKey make_key(std::string_view key_space, std::string_view key, const domain::Reported& what);

}  // namespace pebbles::admission
