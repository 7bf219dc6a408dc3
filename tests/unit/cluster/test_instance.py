# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and addresses of clusters side by side."""

from __future__ import annotations

import ipaddress
import itertools

import pytest

from tests.cluster import configs
from tests.cluster.errors import ClusterError
from tests.cluster.instance import NUMBERS, Instance


def networks(instance: Instance) -> list[ipaddress.IPv4Network]:
    link = ipaddress.ip_network(f"{instance.ip}/30", strict=False)
    texts = (instance.pods, instance.fake_pods, instance.services)
    return [ipaddress.IPv4Network(str(link)), *(ipaddress.IPv4Network(text) for text in texts)]


def test_no_two_instances_share_an_address_a_name_or_a_path() -> None:
    instances = [Instance(number) for number in NUMBERS]
    for one, other in itertools.combinations([network for i in instances for network in networks(i)], 2):
        assert not one.overlaps(other)
    for attribute in ("name", "node", "link", "cgroup", "run", "disk", "server"):
        assert len({getattr(instance, attribute) for instance in instances}) == len(instances)


def test_addresses_are_inside_their_networks() -> None:
    one = Instance(3)
    assert ipaddress.ip_address(one.host_ip) in networks(one)[0]
    assert ipaddress.ip_address(one.api_service_ip) == ipaddress.ip_network(one.services)[1]


def test_socket_paths_fit_the_kernel() -> None:
    longest = Instance(15).run / "kl" / "plugins_registry" / "other.csi.knowngood.test-reg.sock"
    assert len(str(longest)) < 108


@pytest.mark.parametrize("number", [0, 16, -1])
def test_other_numbers_are_refused(number: int) -> None:
    with pytest.raises(ClusterError, match="1 to 15"):
        Instance(number)


def test_the_shell_chooses_the_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KNOWNGOOD_INSTANCE", raising=False)
    assert Instance.chosen() == Instance(1)
    monkeypatch.setenv("KNOWNGOOD_INSTANCE", "4")
    assert Instance.chosen() == Instance(4)
    monkeypatch.setenv("KNOWNGOOD_INSTANCE", "four")
    with pytest.raises(ClusterError, match="KNOWNGOOD_INSTANCE=four"):
        Instance.chosen()


def test_configurations_name_only_their_own_instance() -> None:
    one = Instance(5)
    text = "".join(make(one) for make in (configs.containerd, configs.cni, configs.kubelet, configs.kube_proxy))
    assert "10.244.5.0/24" in text
    assert "/run/knowngood/5/" in text
    assert "/run/knowngood/1/" not in text
