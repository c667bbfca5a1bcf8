#include "egress/query/place_cursor.hpp"

#include "crypto/base64url.hpp"
#include "crypto/sha256.hpp"

namespace pebbles::query {
namespace {

constexpr char place_format = 2;
constexpr std::size_t place_check_bytes = 8;

std::string check_of(std::string_view scope, std::string_view place) {
  const auto digest = crypto::sha256({"pebbles place cursor", place, scope});
  return {reinterpret_cast<const char*>(digest.data()), place_check_bytes};
}

}  // namespace

std::string make_place(std::string_view scope, std::span<const std::int64_t> numbers) {
  std::string bytes{place_format};
  for (const auto number : numbers)
    for (int shift = 56; shift >= 0; shift -= 8)
      bytes += static_cast<char>(static_cast<std::uint64_t>(number) >> static_cast<unsigned>(shift));
  bytes += check_of(scope, bytes);
  return crypto::to_base64url(bytes);
}

bool read_place(std::string_view scope, std::string_view cursor, std::span<std::int64_t> numbers) {
  const auto bytes = crypto::from_base64url(cursor);
  const auto place_bytes = 1 + 8 * numbers.size();
  if (!bytes || bytes->size() != place_bytes + place_check_bytes || bytes->front() != place_format) return false;
  const std::string_view place{bytes->data(), place_bytes};
  if (std::string_view{*bytes}.substr(place_bytes) != check_of(scope, place)) return false;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    std::uint64_t number = 0;
    for (std::size_t k = 0; k < 8; ++k) number = number << 8U | static_cast<std::uint8_t>(place[1 + 8 * i + k]);
    numbers[i] = static_cast<std::int64_t>(number);
  }
  return true;
}

}  // namespace pebbles::query
