#include "egress/query/cursor.hpp"

#include <algorithm>

#include "crypto/base64url.hpp"
#include "crypto/sha256.hpp"

namespace pebbles::query {
namespace {

constexpr char format = 1;
constexpr std::size_t position_bytes = 8 + std::tuple_size_v<domain::FileId>;
constexpr std::size_t check_bytes = 8;

void append_big_endian(std::string& out, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(number >> static_cast<unsigned>(shift));
}

std::string check_of(const CursorScope& scope, std::string_view position) {
  // Lengths in front keep two scopes from running into the same text.
  std::string sizes;
  append_big_endian(sizes, scope.client->size());
  sizes += scope.owner ? 'o' : '-';
  const std::string_view owner = scope.owner ? std::string_view{**scope.owner} : std::string_view{};
  const auto digest = crypto::sha256({"pebbles list cursor", sizes, *scope.client, owner, position});
  return {reinterpret_cast<const char*>(digest.data()), check_bytes};
}

}  // namespace

std::string make_cursor(const CursorScope& scope, const store::ListPosition& position) {
  std::string bytes{format};
  append_big_endian(bytes, static_cast<std::uint64_t>(position.updated_at.time_since_epoch().count()));
  bytes.append(reinterpret_cast<const char*>(position.id.data()), position.id.size());
  bytes += check_of(scope, bytes);
  return crypto::to_base64url(bytes);
}

std::optional<store::ListPosition> read_cursor(const CursorScope& scope, std::string_view cursor) {
  const auto bytes = crypto::from_base64url(cursor);
  if (!bytes || bytes->size() != 1 + position_bytes + check_bytes || bytes->front() != format) return std::nullopt;
  const std::string_view position{bytes->data(), 1 + position_bytes};
  if (std::string_view{*bytes}.substr(position.size()) != check_of(scope, position)) return std::nullopt;
  std::uint64_t milliseconds = 0;
  for (std::size_t i = 1; i <= 8; ++i) milliseconds = milliseconds << 8U | static_cast<std::uint8_t>(position[i]);
  store::ListPosition out{.updated_at = Timestamp{std::chrono::milliseconds{static_cast<std::int64_t>(milliseconds)}},
                          .id = {}};
  std::copy_n(position.data() + 9, out.id.size(), reinterpret_cast<char*>(out.id.data()));
  return out;
}

}  // namespace pebbles::query
