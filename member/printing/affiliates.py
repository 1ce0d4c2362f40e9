"""Affiliates and standby members as text."""

from member.api.affiliates import AffiliatesView, AffiliateView, OwnerView, StandbyClientsView, StandbyView


def affiliates_text(view: AffiliatesView) -> str:
    """For a terminal; amounts in micros."""
    lines = [f"affiliates of account {view.account} ({owner_text(view.owner)}) after height {view.height}"]
    lines += [f"  {owner_text(each.owner)}: {_since(each)}" for each in view.affiliates] or ["  none"]
    lines += ["in a default", *(f"  {line}" for line in _default_lines(view))]
    lines += ["margin", *(f"  {line}" for line in _margin_lines(view))]
    lines += ["default fund", *(f"  {line}" for line in _fund_lines(view))]
    return "\n".join(lines)


def owner_text(owner: OwnerView) -> str:
    """Who it is."""
    if owner.client_key:
        return f"client {owner.client_key} of member {owner.member}"
    if owner.client_account:
        return f"client account {owner.client_account} of member {owner.member}"
    return f"member {owner.member}"


def _since(affiliate: AffiliateView) -> str:
    if affiliate.listed:
        return "listed in the terms"
    until = f", ends at height {affiliate.until_height}" if affiliate.until_height else ""
    return f"declared, from height {affiliate.from_height} on{until}{'' if affiliate.in_force else ' (not in force)'}"


def _default_lines(view: AffiliatesView) -> list[str]:
    if not view.pooled:
        return ["affiliates are not pooled: each owner stands for itself"]
    if view.on_members_side:
        return [f"the account is in the estate of member {view.owner.member}"]
    return ["the account is a client's: it can be ported"]


def _margin_lines(view: AffiliatesView) -> list[str]:
    lines = ["every account is margined alone: affiliates change no requirement"]
    if view.stays_for_members:
        members = ", ".join(map(str, view.stays_for_members))
        lines.append(f"money stays in the account for what member {members} lacks below maintenance margin")
        lines.append(f"other accounts on the member's side lack {view.member_short_micros}")
    return lines


def _fund_lines(view: AffiliatesView) -> list[str]:
    if not view.on_members_side:
        return ["the account counts as a client's, by itself"]
    how = "affiliates count together" if view.netted else "every account falls by itself"
    return [
        f"{how}: largest stress shortfall {view.stress_micros}, with every account by itself"
        f" {view.stress_apart_micros}",
        f"at the last sizing {view.fund_exposure_micros}; required contribution {view.fund_required_micros}",
    ]


def standby_text(view: StandbyView) -> str:
    """For a terminal."""
    head = f"account {view.account} after height {view.height}:"
    if not view.enabled:
        return f"{head} the rules port no client to a standby member"
    if not view.standby:
        return f"{head} no standby member"
    lines = [f"{head} standby member {view.standby}, {'active' if view.standby_active else 'NOT ACTIVE'}"]
    verdict = "covered" if view.covered else "NOT COVERED: it would not be ported"
    lines.append(f"  equity {view.equity_micros}, margin for porting {view.needed_micros}: {verdict}")
    return "\n".join(lines)


def standby_clients_text(view: StandbyClientsView) -> str:
    """For a terminal."""
    lines = [f"member {view.member} after height {view.height}: standby of {view.count} client(s)"]
    lines += [f"  account {each.account} of member {each.member}" for each in view.clients]
    return "\n".join(lines)
