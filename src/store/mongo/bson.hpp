#pragma once
#include <bson/bson.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "base/clock.hpp"

/// Documents of MongoDB, as thin as libbson allows.
namespace pebbles::store::mongo {

/// A member's name, as libbson takes it.
struct Key {
  Key(std::string_view name) : text{name.data()}, size{static_cast<int>(name.size())} {}  // NOLINT: meant to convert
  Key(const char* name) : Key{std::string_view{name}} {}                                  // NOLINT: meant to convert
  const char* text;
  int size;
};

/// A document that is built, and owned. Keys are literals of ours; texts are valid UTF-8 (checked at admission), since
/// libmongoc stores anything else without a word.
class Bson {
 public:
  Bson() { bson_init(&document_); }
  explicit Bson(const bson_t* source) { bson_copy_to(source, &document_); }
  Bson(Bson&& other) noexcept { take(other); }
  Bson& operator=(Bson&& other) noexcept {
    if (this != &other) {
      bson_destroy(&document_);
      take(other);
    }
    return *this;
  }
  ~Bson() { bson_destroy(&document_); }

  [[nodiscard]] const bson_t* get() const { return &document_; }
  [[nodiscard]] bson_t* get() { return &document_; }
  [[nodiscard]] std::size_t size() const { return document_.len; }

  Bson& text(Key key, std::string_view value) {
    bson_append_utf8(&document_, key.text, key.size, value.data(), static_cast<int>(value.size()));
    return *this;
  }
  Bson& integer(Key key, std::int64_t value) {
    bson_append_int64(&document_, key.text, key.size, value);
    return *this;
  }
  Bson& small(Key key, std::int32_t value) {
    bson_append_int32(&document_, key.text, key.size, value);
    return *this;
  }
  Bson& boolean(Key key, bool value) {
    bson_append_bool(&document_, key.text, key.size, value);
    return *this;
  }
  Bson& null(Key key) {
    bson_append_null(&document_, key.text, key.size);
    return *this;
  }
  Bson& max_key(Key key) {
    bson_append_maxkey(&document_, key.text, key.size);
    return *this;
  }
  Bson& min_key(Key key) {
    bson_append_minkey(&document_, key.text, key.size);
    return *this;
  }
  Bson& time(Key key, Timestamp value) {
    bson_append_date_time(&document_, key.text, key.size, value.time_since_epoch().count());
    return *this;
  }
  /// Seconds and increment; the server puts its own in the place of (0, 0) at the top level of an insert.
  Bson& timestamp(Key key, std::uint32_t seconds, std::uint32_t increment) {
    bson_append_timestamp(&document_, key.text, key.size, seconds, increment);
    return *this;
  }
  Bson& object_id(Key key, std::span<const std::uint8_t, 12> id) {
    bson_oid_t oid;
    bson_oid_init_from_data(&oid, id.data());
    bson_append_oid(&document_, key.text, key.size, &oid);
    return *this;
  }
  Bson& binary(Key key, std::span<const std::uint8_t> bytes) {
    bson_append_binary(&document_, key.text, key.size, BSON_SUBTYPE_BINARY, bytes.data(),
                       static_cast<std::uint32_t>(bytes.size()));
    return *this;
  }
  Bson& document(Key key, const Bson& value) {
    bson_append_document(&document_, key.text, key.size, value.get());
    return *this;
  }
  Bson& array(Key key, const Bson& value) {
    bson_append_array(&document_, key.text, key.size, value.get());
    return *this;
  }

 private:
  /// A bson_t points into itself, so it does not move as plain memory.
  void take(Bson& other) noexcept {
    bson_steal(&document_, &other.document_);
    bson_init(&other.document_);
  }

  bson_t document_;
};

/// An array that is built: elements get their numbers by themselves.
class BsonArray {
 public:
  /// Calls `append(document, key)`, which appends exactly one element under that key.
  template <class Append>
  BsonArray& add(Append&& append) {
    char buffer[16];
    const char* key = nullptr;
    const auto size = bson_uint32_to_string(count_++, &key, buffer, sizeof buffer);
    append(elements_, std::string_view{key, size});
    return *this;
  }
  [[nodiscard]] const Bson& get() const { return elements_; }
  [[nodiscard]] bool empty() const { return count_ == 0; }

 private:
  Bson elements_;
  std::uint32_t count_ = 0;
};

/// [a, b], of an `$or`, say.
[[nodiscard]] inline BsonArray both_in_array(const Bson& a, const Bson& b) {
  BsonArray out;
  for (const auto* one : {&a, &b}) out.add([&](Bson& array, std::string_view key) { array.document(key, *one); });
  return out;
}

/// Calls `take(name, iterator)` for each member of a document.
template <class Take>
void each_member(const bson_t* document, Take&& take) {
  bson_iter_t iterator;
  if (!bson_iter_init(&iterator, document)) return;
  while (bson_iter_next(&iterator)) take(std::string_view{bson_iter_key(&iterator)}, iterator);
}

/// The same for a member that is itself a document or an array; does nothing for another type.
template <class Take>
void each_member(const bson_iter_t& parent, Take&& take) {
  bson_iter_t iterator;
  if (!BSON_ITER_HOLDS_DOCUMENT(&parent) && !BSON_ITER_HOLDS_ARRAY(&parent)) return;
  if (!bson_iter_recurse(&parent, &iterator)) return;
  while (bson_iter_next(&iterator)) take(std::string_view{bson_iter_key(&iterator)}, iterator);
}

/// "" for another type.
[[nodiscard]] inline std::string_view text_of(const bson_iter_t& iterator) {
  if (!BSON_ITER_HOLDS_UTF8(&iterator)) return {};
  std::uint32_t size = 0;
  const char* text = bson_iter_utf8(&iterator, &size);
  return {text, size};
}

/// Empty for another type.
[[nodiscard]] inline std::span<const std::uint8_t> bytes_of(const bson_iter_t& iterator) {
  if (!BSON_ITER_HOLDS_BINARY(&iterator)) return {};
  std::uint32_t size = 0;
  const std::uint8_t* bytes = nullptr;
  bson_iter_binary(&iterator, nullptr, &size, &bytes);
  return {bytes, size};
}

}  // namespace pebbles::store::mongo
