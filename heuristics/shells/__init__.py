"""Shell entities: who passes one party's payments on so that those at the other end do not see that party."""
