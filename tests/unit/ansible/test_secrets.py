# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which strings Ansible masks: credentials always, names and addresses never."""

from __future__ import annotations

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.secrets import narrowed_mask

KUBECONFIG = {
    "clusters": [{"name": "prod", "cluster": {"server": "https://api.example.com"}}],
    "users": [
        {"name": "robot", "user": {"token": "token-of-robot"}},
        {"name": "cert", "user": {"client-key-data": "LS0tLS1CRUdJTg==", "client-certificate-data": "public-part"}},
        {"name": "oidc", "user": {"auth-provider": {"config": {"refresh-token": "refresh-me", "client-id": "kube"}}}},
    ],
}
EVERYTHING = {
    "prod",
    "https://api.example.com",
    "robot",
    "token-of-robot",
    "cert",
    "LS0tLS1CRUdJTg==",
    "public-part",
    "oidc",
    "refresh-me",
    "kube",
}


def test_only_the_credentials_of_a_kubeconfig_stay_masked() -> None:
    mask = narrowed_mask(EVERYTHING, {"kubeconfig": KUBECONFIG})
    assert mask == {"token-of-robot", "LS0tLS1CRUdJTg==", "refresh-me"}


def test_a_path_is_not_masked() -> None:
    assert narrowed_mask({"/etc/kube/config"}, {"kubeconfig": "/etc/kube/config"}) == set()


def test_a_kubeconfig_given_as_text_stays_masked_as_a_whole() -> None:
    for text in ("apiVersion: v1\nusers: []\n", '{"users": []}'):
        assert narrowed_mask({text}, {"kubeconfig": text}) == {text}


def test_what_other_options_hide_stays_hidden() -> None:
    assert narrowed_mask({"passphrase", "robot"}, {"kubeconfig": KUBECONFIG}) >= {"passphrase"}


def test_a_token_that_is_also_a_name_stays_masked() -> None:
    assert narrowed_mask({"robot"}, {"kubeconfig": KUBECONFIG, "api_key": "robot"}) >= {"robot"}


def test_credentials_too_short_to_mask_do_not_blot_out_words() -> None:
    assert narrowed_mask({"a"}, {"kubeconfig": {"users": [{"user": {"password": "a"}}]}}) == set()


def test_the_kubeconfig_of_another_cluster_is_treated_alike():
    assert narrowed_mask({"/etc/kube/other"}, {"target_kubeconfig": "/etc/kube/other"}) == set()
    mask = narrowed_mask(EVERYTHING | {"over-there"}, {"target_kubeconfig": KUBECONFIG, "target_api_key": "over-there"})
    assert mask == narrowed_mask(EVERYTHING, {"kubeconfig": KUBECONFIG}) | {"over-there"}
    text = "apiVersion: v1\nkind: Config\n"
    assert narrowed_mask({text}, {"target_kubeconfig": text}) == {text}
