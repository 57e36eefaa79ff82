"""`manage.py loadtest`: what a deployment holds, measured from outside by HTTP and sockets alone."""
