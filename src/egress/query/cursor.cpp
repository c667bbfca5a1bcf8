#include "egress/query/cursor.hpp"

#include <algorithm>

#include "crypto/base64url.hpp"
#include "crypto/sha256.hpp"

namespace pebbles::query {
namespace {

using store::ListOrder;

constexpr char format = 2;
constexpr std::size_t time_bytes = 8;
constexpr std::size_t id_bytes = std::tuple_size_v<domain::FileId>;
constexpr std::size_t check_bytes = 8;

void append_big_endian(std::string& out, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(number >> static_cast<unsigned>(shift));
}

void append_big_endian_time(std::string& out, Timestamp time) {
  append_big_endian(out, static_cast<std::uint64_t>(time.time_since_epoch().count()));
}

Timestamp time_of(std::string_view bytes) {
  std::uint64_t milliseconds = 0;
  for (const char byte : bytes) milliseconds = milliseconds << 8U | static_cast<std::uint8_t>(byte);
  return Timestamp{std::chrono::milliseconds{static_cast<std::int64_t>(milliseconds)}};
}

/// All that makes a list, so that no two lists have one text.
std::string text_of(const domain::ClientKrn& client, const store::ListQuery& list) {
  std::string out;
  const auto add = [&](std::string_view part) {  // the length in front keeps parts from running into each other
    append_big_endian(out, part.size());
    out += part;
  };
  const auto add_time = [&](const std::optional<Timestamp>& time) {
    out += time ? 't' : '-';
    if (time) append_big_endian_time(out, *time);
  };
  add(*client);
  out += list.owner ? 'o' : '-';
  if (list.owner) add(**list.owner);
  out += list.status ? static_cast<char>('a' + std::to_underlying(*list.status)) : '-';
  add(list.filename_prefix);
  add_time(list.created_after);
  add_time(list.updated_after);
  out += static_cast<char>('a' + std::to_underlying(list.sort.by));
  out += list.sort.descending ? 'd' : 'a';
  return out;
}

std::string check_of(const domain::ClientKrn& client, const store::ListQuery& list, std::string_view position) {
  const auto digest = crypto::sha256({"pebbles list cursor", text_of(client, list), position});
  return {reinterpret_cast<const char*>(digest.data()), check_bytes};
}

}  // namespace

std::string make_cursor(const domain::ClientKrn& client, const store::ListQuery& list,
                        const store::ListPosition& position) {
  std::string bytes{format};
  if (list.sort.by == ListOrder::updated) append_big_endian_time(bytes, position.updated_at);
  bytes.append(reinterpret_cast<const char*>(position.id.data()), position.id.size());
  if (list.sort.by == ListOrder::filename) bytes += *position.filename;
  bytes += check_of(client, list, bytes);
  return crypto::to_base64url(bytes);
}

std::optional<store::ListPosition> read_cursor(const domain::ClientKrn& client, const store::ListQuery& list,
                                               std::string_view cursor) {
  const auto bytes = crypto::from_base64url(cursor);
  const std::size_t fixed = 1 + (list.sort.by == ListOrder::updated ? time_bytes : 0) + id_bytes;
  if (!bytes || bytes->size() < fixed + check_bytes || bytes->front() != format) return std::nullopt;
  const auto position = std::string_view{*bytes}.substr(0, bytes->size() - check_bytes);
  if (std::string_view{*bytes}.substr(position.size()) != check_of(client, list, position)) return std::nullopt;
  store::ListPosition out;
  if (list.sort.by == ListOrder::updated) out.updated_at = time_of(position.substr(1, time_bytes));
  std::copy_n(position.data() + fixed - id_bytes, id_bytes, reinterpret_cast<char*>(out.id.data()));
  out.filename = domain::Filename{std::string{position.substr(fixed)}};
  return out;
}

}  // namespace pebbles::query
