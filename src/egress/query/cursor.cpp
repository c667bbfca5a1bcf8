#include "egress/query/cursor.hpp"

#include "base/assert.hpp"
#include "crypto/base64url.hpp"
#include "crypto/sha256.hpp"

namespace pebbles::query {
namespace {

/// 1 and 2 had a check without a key.
constexpr char format = 3;

void append_number(std::string& out, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(number >> static_cast<unsigned>(shift));
}

}  // namespace

CursorScope::CursorScope(CursorKind kind, const domain::ClientKrn& client) : kind_{kind} {
  add(static_cast<std::int64_t>(kind)).add(std::string_view{*client});
}

CursorScope& CursorScope::add(std::string_view part) {
  append_number(text_, part.size());  // in front, so that parts do not run into each other
  text_ += part;
  return *this;
}

CursorScope& CursorScope::add(std::int64_t number) {
  append_number(text_, static_cast<std::uint64_t>(number));
  return *this;
}

CursorScope scope_of(const domain::ClientKrn& client, const store::ListQuery& list) {
  CursorScope out{CursorKind::list, client};
  std::optional<std::int64_t> status;
  if (list.status) status = std::to_underlying(*list.status);
  out.add(list.owner).add(status).add(std::string_view{list.filename_prefix});
  out.add(list.created_after).add(list.updated_after);
  return out.add(std::int64_t{std::to_underlying(list.sort.by)}).add(std::int64_t{list.sort.descending});
}

std::string CursorCodec::make(const CursorScope& scope, const ItemPosition& place) const {
  PEBBLES_ASSERT(scope.kind() == CursorKind::errors || scope.kind() == CursorKind::warnings, "a place of items");
  return seal(scope, encode(place));
}
std::string CursorCodec::make(const CursorScope& scope, const HistoryPosition& place) const {
  PEBBLES_ASSERT(scope.kind() == CursorKind::history, "a place of a history");
  return seal(scope, encode(place));
}
std::string CursorCodec::make(const CursorScope& scope, const store::FeedPosition& place) const {
  PEBBLES_ASSERT(scope.kind() == CursorKind::feed, "a place of a feed");
  // A place within one of the tenant's own chunks does not move with what others write.
  return place.given > 0 ? seal(scope, encode(place), Salt{}) : seal(scope, encode(place));
}
std::string CursorCodec::make(const CursorScope& scope, const store::ListSort& sort,
                              const store::ListPosition& place) const {
  PEBBLES_ASSERT(scope.kind() == CursorKind::list, "a place of a list");
  const auto bytes = encode(sort, place);
  return bytes ? seal(scope, *bytes) : std::string{};
}

std::optional<ItemPosition> CursorCodec::read_item(const CursorScope& scope, std::string_view cursor) const {
  const auto bytes = open(scope, cursor);
  return bytes ? decode_item(*bytes) : std::nullopt;
}
std::optional<HistoryPosition> CursorCodec::read_history(const CursorScope& scope, std::string_view cursor) const {
  const auto bytes = open(scope, cursor);
  return bytes ? decode_history(*bytes) : std::nullopt;
}
std::optional<store::FeedPosition> CursorCodec::read_feed(const CursorScope& scope, std::string_view cursor) const {
  const auto bytes = open(scope, cursor);
  return bytes ? decode_feed(*bytes) : std::nullopt;
}
std::optional<store::ListPosition> CursorCodec::read_list(const CursorScope& scope, const store::ListQuery& list,
                                                          std::string_view cursor) const {
  const auto bytes = open(scope, cursor);
  return bytes ? decode_list(list, *bytes) : std::nullopt;
}

std::string CursorCodec::seal(const CursorScope& scope, std::string_view bytes) const {
  Salt salt{};
  if (scope.kind() == CursorKind::feed) crypto::fill_random(salt);
  return seal(scope, bytes, salt);
}

std::string CursorCodec::seal(const CursorScope& scope, std::string_view bytes, const Salt& salt) const {
  std::string out{format};
  if (scope.kind() == CursorKind::feed) {
    std::string salted{reinterpret_cast<const char*>(salt.data()), salt.size()};
    out += sealer_.seal(scope.text(), salted.append(bytes));
  } else {
    out += sealer_.seal(scope.text(), bytes);
  }
  return crypto::to_base64url(out);
}

std::optional<std::string> CursorCodec::open(const CursorScope& scope, std::string_view cursor) const {
  const auto bytes = crypto::from_base64url(cursor);
  if (!bytes || bytes->empty() || bytes->front() != format) return std::nullopt;
  auto out = sealer_.open(scope.text(), std::string_view{*bytes}.substr(1));
  if (!out || scope.kind() != CursorKind::feed) return out;
  if (out->size() < Salt{}.size()) return std::nullopt;
  out->erase(0, Salt{}.size());
  return out;
}

Result<std::shared_ptr<const CursorCodec>> Cursors::codec() {
  const std::lock_guard lock{mutex_};
  if (!codec_) {
    PEBBLES_TRY(key, reader_.cursor_key());
    codec_ = std::make_shared<const CursorCodec>(key);
  }
  return codec_;
}

}  // namespace pebbles::query
