#include "auth/jwks.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "auth/public_key.hpp"
#include "crypto/base64url.hpp"
#include "json/parser.hpp"

namespace pebbles::auth {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

constexpr std::size_t keys_max = 100;
constexpr std::size_t id_bytes_max = 256;

std::unexpected<Error> refused(std::string why) { return failure(Errc::invalid_argument, std::move(why)); }

std::optional<std::string> text_of(const object& jwk, std::string_view name) {
  std::string_view text;
  if (jwk[name].get(text)) return std::nullopt;
  return std::string{text};
}

/// A member's bytes, empty when it is missing or not in base64url.
std::string bytes_of(const object& jwk, std::string_view name) {
  const auto text = text_of(jwk, name);
  if (!text) return {};
  return crypto::from_base64url(*text).value_or("");
}

bool has(const object& jwk, std::string_view name) {
  element value;
  return !jwk[name].get(value);
}

bool is_for_verifying(const object& jwk) {
  if (has(jwk, "use") && text_of(jwk, "use") != "sig") return false;
  if (!has(jwk, "key_ops")) return true;
  simdjson::dom::array operations;
  if (jwk["key_ops"].get(operations)) return false;
  return std::ranges::any_of(operations, [](element operation) {
    std::string_view text;
    return !operation.get(text) && text == "verify";
  });
}

Result<KeyLabel> label_of(const object& jwk) {
  KeyLabel out;
  if (has(jwk, "kid")) {
    out.id = text_of(jwk, "kid").value_or("");
    if (out.id.empty() || out.id.size() > id_bytes_max) return refused("a kid that is no name");
  }
  if (has(jwk, "alg")) {
    out.algorithm = text_of(jwk, "alg").value_or("");
    if (!is_public_key_algorithm(out.algorithm)) return refused(fmt::format("alg {:.20} is not served", out.algorithm));
  }
  return out;
}

Result<KeyPtr> key_of(const object& jwk) {
  if (!is_for_verifying(jwk)) return refused("not meant for verifying");
  if (has(jwk, "d") || has(jwk, "p") || has(jwk, "k")) return refused("it holds a secret: nobody may publish that");
  PEBBLES_TRY(label, label_of(jwk));
  const auto type = text_of(jwk, "kty").value_or("");
  if (type == "RSA") return make_rsa_key({.modulus = bytes_of(jwk, "n"), .exponent = bytes_of(jwk, "e")}, label);
  const auto curve = text_of(jwk, "crv").value_or("");
  if (type == "EC") return make_ec_key({.curve = curve, .x = bytes_of(jwk, "x"), .y = bytes_of(jwk, "y")}, label);
  if (type == "OKP" && curve == "Ed25519") return make_ed25519_key(bytes_of(jwk, "x"), label);
  return refused(fmt::format("kty {:.20} is not served", type));
}

/// Two keys of one name make every token of that name ambiguous; the first counts, as it does in a search.
bool is_named_like_another(const Key& key, const std::vector<KeyPtr>& others) {
  return key.id() && std::ranges::any_of(others, [&](const KeyPtr& other) { return other->id() == key.id(); });
}

void add(Jwks& out, const object& jwk) {
  auto key = key_of(jwk);
  if (key && is_named_like_another(**key, out.keys)) key = refused("its kid was taken before");
  if (key)
    out.keys.push_back(*std::move(key));
  else
    out.skipped.push_back(fmt::format("{:.40}: {}", text_of(jwk, "kid").value_or("(no kid)"), key.error().detail));
}

}  // namespace

Result<Jwks> read_jwks(std::string_view json) {
  object set;
  if (json::parse(json).get(set)) return refused("not a JSON object");
  Jwks out;
  simdjson::dom::array keys;
  if (has(set, "kty")) {
    add(out, set);
  } else if (set["keys"].get(keys)) {
    return refused("not a JWK Set: it has no array `keys`");
  } else if (keys.size() > keys_max) {
    return refused(fmt::format("more than {} keys", keys_max));
  } else {
    for (const auto key : keys) {
      object jwk;
      if (key.get(jwk)) return refused("a key is not an object");
      add(out, jwk);
    }
  }
  if (out.keys.empty())
    return refused(out.skipped.empty() ? "it holds no key" : "it holds no usable key; " + out.skipped.front());
  return out;
}

}  // namespace pebbles::auth
