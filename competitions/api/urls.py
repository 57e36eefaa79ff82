from rest_framework.routers import SimpleRouter

from competitions.api.views import CompetitionViewSet

router = SimpleRouter()
router.trailing_slash = "/?"  # as a pattern, with and without; the constructor would escape it
router.register("competitions", CompetitionViewSet, basename="competition")

urlpatterns = router.urls
