#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strong.hpp"

/// What Pebbles is about, as pure values and functions: no I/O, no clock, no threads.
namespace pebbles::domain {

using ClientKrn = Strong<std::string, struct ClientKrnTag>;
using Filename = Strong<std::string, struct FilenameTag>;
using Email = Strong<std::string, struct EmailTag>;

/// The number of an event in its stream: 1 for the first, no gaps. 0 means "no event yet".
using Version = std::int64_t;

/// A record's public name: 12 bytes, shown as 24 hexadecimal digits.
using FileId = std::array<std::uint8_t, 12>;

/// The first 16 bytes of a SHA-256: enough that two different inputs never meet by chance.
using ShortDigest = std::array<std::uint8_t, 16>;

struct DigestHash {
  std::size_t operator()(const ShortDigest& digest) const noexcept {
    std::size_t out = 0;  // a SHA-256 is as evenly spread as any hash of it
    std::memcpy(&out, digest.data(), sizeof out);
    return out;
  }
};

/// A stream is one file of one client. Compared byte by byte: no case folding, no Unicode normalisation.
struct StreamId {
  ClientKrn client;
  Filename filename;
  friend bool operator==(const StreamId&, const StreamId&) = default;
  friend auto operator<=>(const StreamId&, const StreamId&) = default;
};

/// Counters stay exact in every JSON reader (RFC 8259, section 6): no sum passes 2^53 - 1.
inline constexpr std::int64_t count_max = (std::int64_t{1} << 53) - 1;

struct Counts {
  std::int64_t done = 0;
  std::int64_t warn = 0;
  std::int64_t failed = 0;
  friend bool operator==(const Counts&, const Counts&) = default;
};

/// One line-level error or warning. Texts but the message are empty where they are not known.
struct Item {
  std::optional<std::int64_t> line = {};  ///< 1 is the file's first line
  std::string message;
  std::string code = {};   ///< which rule was broken, for programs
  std::string field = {};  ///< which column or member it is about
  std::string value = {};  ///< what stood there
  friend bool operator==(const Item&, const Item&) = default;

  [[nodiscard]] std::size_t text_bytes() const noexcept {
    return message.size() + code.size() + field.size() + value.size();
  }
};

/// An immutable list of items, shared by whatever holds a copy: a command, its event, a snapshot.
class ItemList {
 public:
  ItemList() = default;
  explicit ItemList(std::vector<Item> items)
      : items_{items.empty() ? nullptr : std::make_shared<const std::vector<Item>>(std::move(items))} {}

  [[nodiscard]] bool empty() const noexcept { return !items_; }
  [[nodiscard]] std::size_t size() const noexcept { return items_ ? items_->size() : 0; }
  [[nodiscard]] auto begin() const noexcept { return items_ ? items_->data() : nullptr; }
  [[nodiscard]] auto end() const noexcept { return items_ ? items_->data() + items_->size() : nullptr; }
  /// A bound for the memory that the items hold.
  [[nodiscard]] std::size_t bytes() const noexcept {
    std::size_t out = size() * sizeof(Item);
    for (const auto& item : *this) out += item.text_bytes();
    return out;
  }
  friend bool operator==(const ItemList& a, const ItemList& b) {
    return a.items_ == b.items_ || (a.items_ && b.items_ && *a.items_ == *b.items_);
  }

 private:
  std::shared_ptr<const std::vector<Item>> items_;
};

enum class Channel : std::uint8_t { rest, sqs, kafka };
inline constexpr std::size_t channels = 3;

/// As the log and the API write it.
[[nodiscard]] constexpr std::string_view name_of(Channel channel) {
  switch (channel) {
    case Channel::rest: return "rest";
    case Channel::sqs: return "sqs";
    case Channel::kafka: return "kafka";
  }
  return "";
}

/// Where in a Kafka log an update stood. `log` names the cluster (or what `KAFKA_LOG_ID` says), so that a recreated
/// topic is not taken for the old one.
struct LogPosition {
  std::string log;
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  friend bool operator==(const LogPosition&, const LogPosition&) = default;
  [[nodiscard]] bool same_partition(const LogPosition& other) const {
    return partition == other.partition && topic == other.topic && log == other.log;
  }
};

/// What a redelivery of an update is recognised by.
struct EventKey {
  std::string text;           ///< with its key space in front: `p:` producer's own, `s:` SQS, `r:` replayed dead letter
  ShortDigest hash{};         ///< of `text`
  ShortDigest fingerprint{};  ///< of what the update says, without key and identity
  friend bool operator==(const EventKey&, const EventKey&) = default;
};

}  // namespace pebbles::domain

template <>
struct std::hash<pebbles::domain::StreamId> {
  std::size_t operator()(const pebbles::domain::StreamId& stream) const noexcept {
    const auto client = std::hash<std::string>{}(*stream.client);
    const auto filename = std::hash<std::string>{}(*stream.filename);
    return client ^ (filename + 0x9e3779b97f4a7c15ULL + (client << 6U) + (client >> 2U));
  }
};
