#include "ingress/kafka/client.hpp"

#include <fmt/core.h>

#include <array>

namespace pebbles::kafka {

Result<ClientConf> make_conf(const ClientSettings& settings) {
  ClientConf conf{rd_kafka_conf_new()};
  std::array<char, 512> why{};
  for (const auto& [name, value] : settings)
    if (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), why.data(), why.size()) != RD_KAFKA_CONF_OK)
      return failure(Errc::invalid_argument, fmt::format("{}: {}", name, why.data()));
  return conf;
}

Result<Client> make_client(rd_kafka_type_t type, ClientConf conf) {
  std::array<char, 512> why{};
  Client client{rd_kafka_new(type, conf.get(), why.data(), why.size())};
  if (!client) return failure(Errc::invalid_argument, why.data());
  static_cast<void>(conf.release());  // the client has taken it
  return client;
}

}  // namespace pebbles::kafka
