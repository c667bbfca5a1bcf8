#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "crypto/sealer.hpp"
#include "egress/query/places.hpp"
#include "store/progress_reader.hpp"

namespace pebbles::query {

enum class CursorKind : std::uint8_t { list, errors, warnings, history, feed };

/// All that makes what a cursor is a place in: its kind, the client, the file, the filters, the order. Two scopes that
/// differ in anything have different texts.
class CursorScope {
 public:
  CursorScope(CursorKind kind, const domain::ClientKrn& client);

  CursorScope& add(std::string_view part);
  CursorScope& add(std::int64_t number);
  template <class T>
  CursorScope& add(const std::optional<T>& part) {
    return part ? add("+").add(*part) : add("-");
  }
  CursorScope& add(Timestamp time) { return add(time.time_since_epoch().count()); }
  CursorScope& add(const domain::Email& email) { return add(std::string_view{*email}); }

  [[nodiscard]] CursorKind kind() const { return kind_; }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  CursorKind kind_;
  std::string text_;
};

/// Of a client's list under its filters, in its order. Where it begins and how long its pages are does not count.
[[nodiscard]] CursorScope scope_of(const domain::ClientKrn& client, const store::ListQuery& list);

/// Turns places into cursors and back. A cursor is opaque and URL-safe: base64url of a format byte and of the place,
/// encrypted and authenticated with the store's key for its scope alone (docs/adr/0019-cursors.md). Nobody without the
/// key can make one, change one, use one elsewhere, or read in it how far the event log of all clients is. A place of
/// a feed that others' writes may move has another cursor each time: equal ones would tell that nobody has written.
/// Threads: any.
class CursorCodec {
 public:
  explicit CursorCodec(const store::CursorKey& key) : sealer_{key} {}

  [[nodiscard]] std::string make(const CursorScope& scope, const ItemPosition& place) const;
  [[nodiscard]] std::string make(const CursorScope& scope, const HistoryPosition& place) const;
  [[nodiscard]] std::string make(const CursorScope& scope, const store::FeedPosition& place) const;
  /// `scope` is the list's. Empty where no cursor can name the place (`encode`): there the list ends.
  [[nodiscard]] std::string make(const CursorScope& scope, const store::ListSort& sort,
                                 const store::ListPosition& place) const;

  // Nullopt when it isn't exactly what `make` gave for this scope, and a place that there can be.
  [[nodiscard]] std::optional<ItemPosition> read_item(const CursorScope& scope, std::string_view cursor) const;
  [[nodiscard]] std::optional<HistoryPosition> read_history(const CursorScope& scope, std::string_view cursor) const;
  [[nodiscard]] std::optional<store::FeedPosition> read_feed(const CursorScope& scope, std::string_view cursor) const;
  [[nodiscard]] std::optional<store::ListPosition> read_list(const CursorScope& scope, const store::ListQuery& list,
                                                             std::string_view cursor) const;

  /// A cursor of any bytes at all, which may be no place. For `make`, and for tests of what reads them.
  [[nodiscard]] std::string seal(const CursorScope& scope, std::string_view bytes) const;

 private:
  using Salt = std::array<std::uint8_t, 8>;
  [[nodiscard]] std::string seal(const CursorScope& scope, std::string_view bytes, const Salt& salt) const;
  [[nodiscard]] std::optional<std::string> open(const CursorScope& scope, std::string_view cursor) const;

  crypto::Sealer sealer_;
};

/// The codec of a store's key, as soon as that is known. Threads: any. Lifetime: the reader outlives it.
class Cursors {
 public:
  explicit Cursors(store::ProgressReader& reader) : reader_{reader} {}

  /// Never null. Never blocks. Error: store_unavailable.
  [[nodiscard]] Result<std::shared_ptr<const CursorCodec>> codec();

 private:
  store::ProgressReader& reader_;
  std::mutex mutex_;
  std::shared_ptr<const CursorCodec> codec_;
};

}  // namespace pebbles::query
